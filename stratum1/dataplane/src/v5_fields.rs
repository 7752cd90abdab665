//! The extension fields of version 5 (draft-ietf-ntp-ntpv5-09): finding them, and the answer that each has.
//!
//! A field has any length from 4 on and is padded to words; the answer to one is as long as it or absent.

use crate::fields::{Fields, UNIQUE_IDENTIFIER};
use crate::service::REFERENCE_IDS;
use crate::state::Mapping;
use crate::wire::{Field, HEADER, NS, Writer, u16_at};

/// The draft that is spoken; a client has to name exactly this one.
pub const DRAFT: &[u8] = b"draft-ietf-ntp-ntpv5-09";
/// The field that names it, with its padding.
pub const DRAFT_FIELD: [u8; 28] = *b"\xF5\xFF\x00\x1Bdraft-ietf-ntp-ntpv5-09\0";
/// Padding.
pub const PADDING: u16 = 0xF501;
/// MAC.
pub const MAC: u16 = 0xF502;

const REFERENCE_IDS_REQUEST: u16 = 0xF503;
const REFERENCE_IDS_RESPONSE: u16 = 0xF504;
const INFORMATION: u16 = 0xF505;
const CORRECTION: u16 = 0xF506;
const REFERENCE_TIMESTAMP: u16 = 0xF507;
const MONOTONIC: u16 = 0xF508;
const SECONDARY: u16 = 0xF509;
const VERSIONS: u16 = 0b1_1111; // versions 1 to 5, the lowest bit for version 1

/// What is told of another timescale.
pub enum Secondary {
    /// Nothing: it is not served.
    NotServed,
    /// Era and receive timestamp in it.
    Told(u8, u64),
}

/// What the fields of one reply tell of.
pub struct Moment<'a, F> {
    /// When the request came, served ns.
    pub received: i64,
    /// The reference timestamp, 0 where the time is not known.
    pub reference: u64,
    /// What is told of a timescale.
    pub secondary: F,
    /// Served time from CLOCK_MONOTONIC.
    pub monotonic: Option<Mapping>,
    /// Changes when CLOCK_MONOTONIC no longer can be followed through.
    pub epoch_id: u32,
    /// The Bloom filter.
    pub reference_ids: &'a [u8; REFERENCE_IDS],
}

fn field_at(request: &[u8], at: usize) -> Option<Field<'_>> {
    let rest = request.get(at..)?;
    let length = usize::from(u16_at(rest, 2));
    let end = at + length.next_multiple_of(4);
    if length < 4 || end > request.len() {
        return None;
    }
    rest.get(..length).map(|octets| Field { kind: u16_at(rest, 0), at, octets, end })
}

/// All fields of a request, to the first NTS authenticator if it has one; None if they do not fit, or one follows a MAC.
pub fn walk(request: &[u8]) -> Option<Fields<'_>> {
    let mut fields = Fields { end: HEADER, ..Fields::default() };
    while fields.end < request.len() {
        let field = field_at(request, fields.end)?;
        if fields.mac.is_some() {
            return None;
        }
        if fields.add(field) {
            break;
        }
        if field.kind == MAC {
            fields.mac = Some(field);
        }
    }
    Some(fields)
}

/// Whether a request names the draft that is spoken.
pub fn draft_is_ours(fields: &Fields) -> bool {
    fields.draft.first.is_some_and(|field| field.value() == DRAFT)
}

/// Appends the answers that there are, in the order of the request's fields.
pub fn answer<F: Fn(u8) -> Secondary>(request: &[u8], fields: &Fields, moment: &Moment<F>, writer: &mut Writer) {
    let lone = fields.echoed().map(|field| field.at);
    let mut at = HEADER;
    while at < fields.end {
        let Some(field) = field_at(request, at) else { return };
        at = field.end;
        if field.kind != UNIQUE_IDENTIFIER || lone == Some(field.at) {
            answer_one(&field, moment, writer);
        }
    }
}

fn answer_one<F: Fn(u8) -> Secondary>(field: &Field, moment: &Moment<F>, writer: &mut Writer) {
    let (value, length) = (field.value(), field.octets.len());
    match (field.kind, value.len()) {
        (UNIQUE_IDENTIFIER, _) => writer.put_field(field.kind, length, value),
        (REFERENCE_IDS_REQUEST, count @ 4..) => {
            let offset = usize::from(u16_at(value, 0));
            if let Some(octets) = moment.reference_ids.get(offset..offset + count) {
                writer.put_field(REFERENCE_IDS_RESPONSE, length, octets);
            }
        }
        (INFORMATION, 4) => writer.put_field(field.kind, length, &(u32::from(VERSIONS) << 16).to_be_bytes()),
        (CORRECTION, 24) => {
            // what transparent clocks have added on the way here moves to the origin's place
            let mut octets = [0; 24];
            octets[..10].copy_from_slice(&value[12..22]);
            writer.put_field(field.kind, length, &octets);
        }
        (REFERENCE_TIMESTAMP, 8) => writer.put_field(field.kind, length, &moment.reference.to_be_bytes()),
        (MONOTONIC, 12) => {
            if let Some(mapping) = moment.monotonic {
                let octets = u128::from(moment.epoch_id) << 64 | u128::from(monotonic_stamp(&mapping, moment.received));
                writer.put_field(field.kind, length, &octets.to_be_bytes()[4..]);
            }
        }
        (SECONDARY, 12) => {
            if let Secondary::Told(era, stamp) = (moment.secondary)(value[0]) {
                let octets = u128::from(value[0]) << 88 | u128::from(era) << 80 | u128::from(stamp);
                writer.put_field(field.kind, length, &octets.to_be_bytes()[4..]);
            }
        }
        _ => {}
    }
}

/// CLOCK_MONOTONIC at a served time, 32.32 seconds; by the mapping the other way round, to first order of its rate.
fn monotonic_stamp(mapping: &Mapping, received: i64) -> u64 {
    let elapsed = received.wrapping_sub(mapping.served_ns);
    let drift = (elapsed as f64 * mapping.rate).round_ties_even() as i64;
    let instant = mapping.source_ns.wrapping_add(elapsed).wrapping_sub(drift);
    (i128::from(instant) << 32).div_euclid(i128::from(NS)) as u64
}
