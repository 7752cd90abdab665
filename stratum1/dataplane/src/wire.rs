//! Octets of NTP: the header's places, extension fields, and instants as 64-bit timestamps. Nothing here judges.

/// Octets of the header (RFC 5905, section 7.3).
pub const HEADER: usize = 48;
/// Octets of the longest request that is read; no reply is longer than its request.
pub const MAX_REQUEST: usize = 2048;
/// Nanoseconds in a second.
pub const NS: i64 = 1_000_000_000;
/// A buffer that holds any reply.
pub type ReplyBuffer = [u8; MAX_REQUEST];

const NTP_UNIX_OFFSET: i64 = 2_208_988_800;

/// Big-endian 16 bits at an offset; 0 where the octets end before.
#[inline]
pub fn u16_at(data: &[u8], at: usize) -> u16 {
    data.get(at..at + 2).and_then(|octets| octets.try_into().ok()).map_or(0, u16::from_be_bytes)
}

/// Big-endian 32 bits at an offset; 0 where the octets end before.
#[inline]
pub fn u32_at(data: &[u8], at: usize) -> u32 {
    data.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// Big-endian 64 bits at an offset; 0 where the octets end before.
#[inline]
pub fn u64_at(data: &[u8], at: usize) -> u64 {
    data.get(at..at + 8).and_then(|octets| octets.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// The wire timestamp of an instant (ns since 1970), in whatever era it lies, rounded down to 2^-32 s.
#[inline]
pub fn ntp_timestamp(instant: i64) -> u64 {
    let whole = instant.div_euclid(NS).wrapping_add(NTP_UNIX_OFFSET) as u64;
    let fraction = instant.rem_euclid(NS) as u64;
    (whole << 32) | ((fraction << 32) / NS as u64)
}

/// Seconds (0 or more) as 16.16 fixed point, rounded up so that a bound stays a bound; saturates at the largest value.
pub fn ntp_short(value: f64) -> u32 {
    // the conversion saturates, so that 65536 s and more need no case of their own
    (value * 65536.0).ceil() as u32
}

/// One extension field, header included.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Its type.
    pub kind: u16,
    /// Where it starts, octets from the start of what is walked.
    pub at: usize,
    /// All its octets, with the four of type and length, without padding after its length.
    pub octets: &'a [u8],
    /// The octet after its padding.
    pub end: usize,
}

impl<'a> Field<'a> {
    /// What stands after type and length.
    #[inline]
    pub fn value(&self) -> &'a [u8] {
        self.octets.get(4..).unwrap_or_default()
    }
}

/// The field at an offset, if its length is at least `least`, a multiple of 4, and no more than what is left.
#[inline]
pub fn field_at(data: &[u8], at: usize, least: usize) -> Option<Field<'_>> {
    let rest = data.get(at..)?;
    if rest.len() < 4 {
        return None;
    }
    let length = usize::from(u16_at(rest, 2));
    if length < least || length % 4 != 0 {
        return None;
    }
    rest.get(..length).map(|octets| Field { kind: u16_at(rest, 0), at, octets, end: at + length })
}

/// Writes octets one after the other into a buffer and knows how far it has come.
pub struct Writer<'a> {
    out: &'a mut ReplyBuffer,
    len: usize,
}

impl<'a> Writer<'a> {
    /// A writer that goes on after the first `len` octets.
    pub fn after(out: &'a mut ReplyBuffer, len: usize) -> Self {
        Self { out, len }
    }

    /// Octets written so far.
    pub fn end(&self) -> usize {
        self.len
    }

    /// All octets so far.
    pub fn written(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or_default()
    }

    /// Room for the next `count` octets, zeroed and counted as written; empty where the buffer ends before.
    pub fn take(&mut self, count: usize) -> &mut [u8] {
        let start = self.len;
        let Some(room) = self.out.get_mut(start..start + count) else { return &mut [] };
        self.len = start + count;
        room.fill(0);
        room
    }

    /// What was written, and room for the next `count` octets, zeroed and counted as written; empty where the buffer ends before.
    pub fn split(&mut self, count: usize) -> (&[u8], &mut [u8]) {
        let start = self.len;
        let room = self.take(count).len();
        let (written, rest) = self.out.split_at_mut(start);
        (written, &mut rest[..room])
    }

    /// Appends type and length (as it says, with these four octets) of a field, a value and the padding to words.
    pub fn put_field(&mut self, kind: u16, length: usize, value: &[u8]) {
        self.put(&kind.to_be_bytes());
        self.put(&(length as u16).to_be_bytes());
        self.put(value);
        self.take(value.len().next_multiple_of(4) - value.len());
    }

    /// Fills up to a size, which is whole words longer or equal, with a padding field.
    pub fn pad(&mut self, kind: u16, size: usize) {
        if let Some(zeros) = size.checked_sub(self.len + 4) {
            self.put(&kind.to_be_bytes());
            self.put(&((zeros + 4) as u16).to_be_bytes());
            self.take(zeros);
        }
    }

    /// Appends octets; nothing if they don't fit.
    pub fn put(&mut self, octets: &[u8]) {
        let room = self.take(octets.len());
        if room.len() == octets.len() {
            room.copy_from_slice(octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_round_down_and_wrap_into_the_next_era() {
        assert_eq!(ntp_timestamp(0), 2_208_988_800 << 32);
        assert_eq!(ntp_timestamp(1), (2_208_988_800 << 32) | 4);
        assert_eq!(ntp_timestamp(-1), (2_208_988_799 << 32) | 0xFFFF_FFFB);
        assert_eq!(ntp_timestamp(2_085_978_496 * NS), 0); // 2036-02-07T06:28:16Z
        assert_eq!(ntp_timestamp(2_085_978_495 * NS + 999_999_999), 0xFFFF_FFFF_FFFF_FFFB);
    }

    #[test]
    fn short_values_round_up_and_saturate() {
        assert_eq!(ntp_short(0.0), 0);
        assert_eq!(ntp_short(1e-9), 1);
        assert_eq!(ntp_short(1.0), 0x10000);
        assert_eq!(ntp_short(65535.99999), 0xFFFF_FFFF);
        assert_eq!(ntp_short(1e300), 0xFFFF_FFFF);
    }

    #[test]
    fn a_field_that_cannot_be_is_none() {
        let octets = [1, 4, 0, 8, 1, 2, 3, 4];
        assert_eq!(field_at(&octets, 0, 4).map(|field| field.value().to_vec()), Some(vec![1, 2, 3, 4]));
        assert!(field_at(&octets, 0, 16).is_none());
        assert!(field_at(&octets, 4, 4).is_none());
        assert!(field_at(&octets, 8, 4).is_none());
        assert!(field_at(&octets[..7], 0, 4).is_none());
        assert!(field_at(&[0, 0, 0, 0], 0, 4).is_none());
    }
}
