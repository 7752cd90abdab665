//! What became of a packet: the enumerations of `stratum1.server`, in the same order, for their places are what Python is told.

/// An enumeration whose members have the names that Python gives them.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($member:ident = $text:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs)] // told in Python
        pub enum $name { $($member),* }

        impl $name {
            /// Every member, in order.
            pub const ALL: &'static [Self] = &[$(Self::$member),*];

            /// The name in Python.
            pub fn name(self) -> &'static str {
                match self { $(Self::$member => $text),* }
            }
        }
    };
}

named! {
    /// What was done about a packet.
    Response {
        Time = "time",
        Interleaved = "interleaved",
        KissRate = "kiss-rate",
        KissDeny = "kiss-deny",
        KissRstr = "kiss-rstr",
        NtsNak = "nts-nak",
        CryptoNak = "crypto-nak",
        Ignore = "ignore",
    }
}

named! {
    /// Why it was done.
    Reason {
        Synchronised = "synchronised",
        Unsynchronised = "unsynchronised",
        UnknownKey = "unknown-key",
        PeerCryptoNak = "peer-crypto-nak",
        SourcePort = "source-port",
        TooShort = "too-short",
        TooLong = "too-long",
        Unaligned = "unaligned",
        BadExtension = "bad-extension",
        TrailingOctets = "trailing-octets",
        Version = "version",
        NotARequest = "not-a-request",
        Control = "control",
        Private = "private",
        Stale = "stale",
        BadMac = "bad-mac",
        MsSntp = "ms-sntp",
        Autokey = "autokey",
        AccessDenied = "access-denied",
        AccessIgnored = "access-ignored",
        NtsRequired = "nts-required",
        RateLimited = "rate-limited",
        OwnAddress = "own-address",
        NtsNotServed = "nts-not-served",
        NtsMalformed = "nts-malformed",
        NtsShortNonce = "nts-short-nonce",
        NtsUnknownCookie = "nts-unknown-cookie",
        NtsExpiredKey = "nts-expired-key",
        NtsBadCookie = "nts-bad-cookie",
        NtsBadAuthenticator = "nts-bad-authenticator",
        V5Draft = "v5-draft",
        V5Malformed = "v5-malformed",
        V5Timescale = "v5-timescale",
    }
}

named! {
    /// What protects a packet, as far as it was looked into.
    Protection {
        None = "none",
        Mac = "mac",
        Nts = "nts",
    }
}

/// What became of one packet; all counters derive from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// 0 to 7 as it stood in the packet, 0 if it was empty.
    pub version: u8,
    /// Why.
    pub reason: Reason,
    /// What was done.
    pub response: Response,
    /// Which protection it had.
    pub protection: Protection,
}

impl Record {
    /// How many different records there are.
    pub const COUNT: usize = 8 * Reason::ALL.len() * Response::ALL.len() * Protection::ALL.len();

    /// The place of this record in an array of COUNT counters.
    #[inline]
    pub fn index(self) -> usize {
        let outer = usize::from(self.version & 7) * Reason::ALL.len() + self.reason as usize;
        (outer * Response::ALL.len() + self.response as usize) * Protection::ALL.len() + self.protection as usize
    }

    /// The record at a place, None beyond the last one.
    pub fn at(index: usize) -> Option<Self> {
        let (rest, protection) = (index / Protection::ALL.len(), index % Protection::ALL.len());
        let (rest, response) = (rest / Response::ALL.len(), rest % Response::ALL.len());
        let (version, reason) = (rest / Reason::ALL.len(), rest % Reason::ALL.len());
        (version < 8).then(|| Self {
            version: version as u8,
            reason: Reason::ALL[reason],
            response: Response::ALL[response],
            protection: Protection::ALL[protection],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_one_record_and_back() {
        for index in 0..Record::COUNT {
            assert_eq!(Record::at(index).map(Record::index), Some(index));
        }
        assert_eq!(Record::at(Record::COUNT), None);
    }
}
