//! NTS in requests and replies (RFC 8915, section 5).
//!
//! A request has, before its authenticator, exactly one unique identifier and one cookie and any number of other fields; up to seven
//! placeholders ask for more cookies. What follows the authenticator is not authenticated and is discarded.

use crate::aead::{self, TAG};
use crate::cookie::{self, ClientKeys, MasterContext};
use crate::fields::{AUTHENTICATOR, COOKIE, Fields, inner_placeholders};
use crate::reasons::Reason;
use crate::service::Entropy;
use crate::wire::{ReplyBuffer, Writer, u16_at};

const MOST_PLACEHOLDERS: usize = 7;
const FIELD_HEADER: usize = 4;
const LENGTHS: usize = 4;

/// The master keys of cookies.
pub struct Ring {
    accepted: Vec<MasterContext>,
    current: usize,
    expired: Vec<u32>,
}

impl Ring {
    /// current seals; it and the accepted ones open; expired: ids of keys that were ours.
    pub fn new(current: MasterContext, accepted: Vec<MasterContext>, expired: Vec<u32>) -> Self {
        let mut all: Vec<MasterContext> = Vec::with_capacity(accepted.len() + 1);
        for key in accepted.into_iter().chain([current]) {
            all.retain(|other| other.key_id() != key.key_id()); // of two with one id the later one holds
            all.push(key);
        }
        Self { current: all.len() - 1, accepted: all, expired }
    }

    fn current(&self) -> Option<&MasterContext> {
        self.accepted.get(self.current)
    }

    fn open(&self, cookie: &[u8], keys: &mut ClientKeys) -> Result<(), Reason> {
        let head = cookie::head(cookie).ok_or(Reason::NtsBadCookie)?;
        let Some(master) = self.accepted.iter().find(|key| key.key_id() == head.key_id) else {
            return Err(if self.expired.contains(&head.key_id) { Reason::NtsExpiredKey } else { Reason::NtsUnknownCookie });
        };
        master.open(cookie, keys).map_err(|_| Reason::NtsBadCookie)
    }
}

/// An authenticated request.
pub struct Opened {
    keys: ClientKeys,
    cookies: usize,
    /// The octet after its authenticator, which the reply reaches too.
    pub end: usize,
}

/// An authenticator field taken apart. room: octets that a reply's nonce may take (RFC 8915, section 5.6).
struct Authenticator<'a> {
    nonce: &'a [u8],
    sealed: &'a [u8],
    room: usize,
}

impl<'a> Authenticator<'a> {
    /// The value of the field (RFC 8915, figure 7); None if its lengths do not fit.
    fn of(value: &'a [u8]) -> Option<Self> {
        let rest = value.get(LENGTHS..)?;
        let (nonce, sealed) = (usize::from(u16_at(value, 0)), usize::from(u16_at(value, 2)));
        let padded = nonce.next_multiple_of(4);
        let spare = rest.len().checked_sub(padded + sealed.next_multiple_of(4))?;
        Some(Self { nonce: rest.get(..nonce)?, sealed: rest.get(padded..padded + sealed)?, room: padded + spare })
    }
}

/// Verifies a request with these fields; the reason why it is not served. scratch: for the decrypted fields.
pub fn open_request(ring: &Ring, request: &[u8], fields: &Fields, version5: bool, scratch: &mut ReplyBuffer) -> Result<Opened, Reason> {
    let field = fields.authenticator.ok_or(Reason::NtsMalformed)?;
    let authenticator = Authenticator::of(field.value()).ok_or(Reason::NtsMalformed)?;
    let cookie = fields.cookie.only().ok_or(Reason::NtsMalformed)?;
    let length = cookie.octets.len();
    fields.echoed().ok_or(Reason::NtsMalformed)?;
    let asked = fields.placeholder.count;
    let fit = !fields.placeholders_differ && fields.placeholder.first.is_none_or(|first| first.octets.len() == length);
    if asked > MOST_PLACEHOLDERS || !fit {
        return Err(Reason::NtsMalformed);
    }
    let mut keys = ClientKeys::new();
    ring.open(cookie.value(), &mut keys)?;
    if keys.version5() != version5 {
        return Err(Reason::NtsBadCookie);
    }
    if authenticator.nonce.is_empty() || authenticator.room < keys.algorithm().nonce_length() {
        return Err(Reason::NtsShortNonce);
    }
    let covered = request.get(..field.at).unwrap_or_default();
    let text = scratch.get_mut(..authenticator.sealed.len()).ok_or(Reason::NtsMalformed)?;
    text.copy_from_slice(authenticator.sealed);
    let text = aead::open(keys.algorithm(), keys.c2s(), covered, authenticator.nonce, text).map_err(|_| Reason::NtsBadAuthenticator)?;
    let (inner, fit) = inner_placeholders(text, length).ok_or(Reason::NtsMalformed)?;
    if asked + inner > MOST_PLACEHOLDERS || !fit {
        return Err(Reason::NtsMalformed);
    }
    Ok(Opened { keys, cookies: 1 + asked + inner, end: field.end })
}

/// Appends the authenticator with new cookies in it, padded to the end of the request's. Entropy is asked for 16 octets for each
/// cookie and then for the reply's nonce.
pub fn seal_reply<E: Entropy>(opened: &Opened, ring: &Ring, entropy: &mut E, writer: &mut Writer) {
    let algorithm = opened.keys.algorithm();
    let room = opened.end.saturating_sub(writer.end());
    let (cookie, nonce) = (cookie::length(algorithm), algorithm.nonce_length());
    let Some(spare) = room.checked_sub(FIELD_HEADER + LENGTHS + nonce + TAG) else { return };
    let each = FIELD_HEADER + cookie;
    let cookies = opened.cookies.min(spare / each);
    let (clear, place) = writer.split(room);
    let (front, rest) = place.split_at_mut(FIELD_HEADER + LENGTHS + nonce);
    let sealed = &mut rest[..TAG + cookies * each];
    for octets in sealed[algorithm.offset()..][..cookies * each].chunks_exact_mut(each) {
        seal_cookie(opened, ring, entropy, octets);
    }
    for (octets, number) in front.chunks_exact_mut(2).zip([usize::from(AUTHENTICATOR), room, nonce, sealed.len()]) {
        octets.copy_from_slice(&(number as u16).to_be_bytes());
    }
    let nonce = &mut front[FIELD_HEADER + LENGTHS..];
    entropy.fill(nonce);
    // cannot be refused: all lengths are the algorithm's own
    let _ = aead::seal(algorithm, opened.keys.s2c(), clear, nonce, sealed);
}

/// One new cookie as a field.
fn seal_cookie<E: Entropy>(opened: &Opened, ring: &Ring, entropy: &mut E, octets: &mut [u8]) {
    let length = octets.len() as u16;
    let (front, place) = octets.split_at_mut(FIELD_HEADER);
    front[..2].copy_from_slice(&COOKIE.to_be_bytes());
    front[2..].copy_from_slice(&length.to_be_bytes());
    let mut nonce = [0; cookie::NONCE];
    entropy.fill(&mut nonce);
    if let Some(master) = ring.current() {
        // cannot be refused: the place is as long as the algorithm's cookies
        let _ = master.seal(&opened.keys, &nonce, place);
    }
}
