//! The way from extension field to extension field of a version 4 request (RFC 7822), and what was met on it.

use crate::reasons::Reason;
use crate::wire::{Field, HEADER, field_at};

/// Unique Identifier (RFC 8915, section 5.3).
pub const UNIQUE_IDENTIFIER: u16 = 0x0104;
/// NTS Cookie.
pub const COOKIE: u16 = 0x0204;
/// NTS Cookie Placeholder.
pub const PLACEHOLDER: u16 = 0x0304;
/// NTS Authenticator and Encrypted Extension Fields.
pub const AUTHENTICATOR: u16 = 0x0404;
/// Draft Identification of NTPv5.
pub const DRAFT: u16 = 0xF5FF;

const AUTOKEY: u16 = 0x02;
const SHORTEST: usize = 16;
const SHORTEST_MAC: usize = 20;
const LONGEST_MAC: usize = 24;
const FIELD_HEADER: usize = 4;
const SHORTEST_IDENTIFIER: usize = FIELD_HEADER + 32;

/// The fields of one type.
#[derive(Clone, Copy, Default)]
pub struct Met<'a> {
    /// How many there were.
    pub count: usize,
    /// The first one.
    pub first: Option<Field<'a>>,
}

impl<'a> Met<'a> {
    fn add(&mut self, field: Field<'a>) {
        self.count += 1;
        self.first = self.first.or(Some(field));
    }

    /// The field, if there was exactly one.
    pub fn only(&self) -> Option<Field<'a>> {
        self.first.filter(|_| self.count == 1)
    }
}

/// What was met on the way through a request.
#[derive(Clone, Copy, Default)]
pub struct Fields<'a> {
    /// Unique identifiers.
    pub identifier: Met<'a>,
    /// Cookies.
    pub cookie: Met<'a>,
    /// Placeholders.
    pub placeholder: Met<'a>,
    /// Whether placeholders differ in length among each other.
    pub placeholders_differ: bool,
    /// The first authenticator, at which the way ends.
    pub authenticator: Option<Field<'a>>,
    /// Identification of a draft of NTPv5.
    pub draft: Met<'a>,
    /// The MAC of version 5, which is the last field.
    pub mac: Option<Field<'a>>,
    /// Whether a field of Autokey was met (RFC 5906).
    pub autokey: bool,
    /// Where the way ended.
    pub end: usize,
}

impl<'a> Fields<'a> {
    /// Counts a field; whether the way ends with it.
    pub fn add(&mut self, field: Field<'a>) -> bool {
        self.end = field.end;
        match field.kind {
            UNIQUE_IDENTIFIER => self.identifier.add(field),
            COOKIE => self.cookie.add(field),
            PLACEHOLDER => {
                self.placeholder.add(field);
                self.placeholders_differ |= self.placeholder.first.is_some_and(|first| first.octets.len() != field.octets.len());
            }
            AUTHENTICATOR => self.authenticator = Some(field),
            DRAFT => self.draft.add(field),
            kind => self.autokey |= kind & 0xFF == AUTOKEY,
        }
        field.kind == AUTHENTICATOR
    }

    /// The unique identifier that a reply repeats: the only one, and long enough (RFC 8915, section 5.3).
    pub fn echoed(&self) -> Option<Field<'a>> {
        self.identifier.only().filter(|field| field.octets.len() >= SHORTEST_IDENTIFIER)
    }

    /// Whether the request is one of NTS.
    pub fn nts(&self) -> bool {
        self.cookie.count > 0 || self.authenticator.is_some()
    }
}

/// Walks through a version 4 request up to and with the first authenticator. What is left after the end is a MAC, a crypto-NAK, or
/// (after an authenticator) anything.
pub fn walk(request: &[u8]) -> Result<Fields<'_>, Reason> {
    let mut fields = Fields { end: HEADER, ..Fields::default() };
    let size = request.len();
    if size == HEADER + 4 && request.get(HEADER..) == Some(&[0; 4]) {
        return Ok(fields);
    }
    while size - fields.end > LONGEST_MAC {
        let field = field_at(request, fields.end, SHORTEST).ok_or(Reason::BadExtension)?;
        if fields.add(field) {
            return Ok(fields);
        }
    }
    if (1..SHORTEST_MAC).contains(&(size - fields.end)) {
        return Err(Reason::TrailingOctets);
    }
    Ok(fields)
}

/// How many placeholders a decrypted text holds, and whether all are so long (field header included); None if fields do not fill it.
pub fn inner_placeholders(text: &[u8], length: usize) -> Option<(usize, bool)> {
    let (mut at, mut count, mut fit) = (0, 0, true);
    while at < text.len() {
        let field = field_at(text, at, FIELD_HEADER)?;
        if field.kind == PLACEHOLDER {
            count += 1;
            fit &= field.octets.len() == length;
        }
        at = field.end;
    }
    Some((count, fit))
}

/// Whether a packet that is not to be looked into holds an NTS cookie; whatever is wrong with it ends the walk.
pub fn holds_cookie(request: &[u8]) -> bool {
    let mut at = HEADER;
    while let Some(field) = field_at(request, at, FIELD_HEADER) {
        if field.kind == COOKIE {
            return true;
        }
        at = field.end;
    }
    false
}
