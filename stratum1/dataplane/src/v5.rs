//! Version 5 of NTP as its draft 09 has it: judgement and header; `stratum1/server/_v5.py` draws the header and tells the rules.

use crate::access::mix64;
use crate::fields::Fields;
use crate::header::{later, receive_stamp, stamps, transmit_stamp};
use crate::interleave;
use crate::mac::Signature;
use crate::nts::{Opened, Ring, open_request, seal_reply};
use crate::reasons::{Protection, Reason, Record, Response};
use crate::reply::{Call, Outcome, Timed};
use crate::service::Entropy;
use crate::state::State;
use crate::v5_fields::{DRAFT_FIELD, MAC, Moment, PADDING, Secondary, answer, draft_is_ours, walk};
use crate::wire::{HEADER, NS, Writer, ntp_timestamp, u64_at};

const SYNCHRONISED: u16 = 1;
const INTERLEAVED: u16 = 2;
const AUTH_NAK: u16 = 4;
const UTC: u8 = 0;
const TAI: u8 = 1;
const SMEARED: u8 = 3;
const UNKNOWN_LEAP: u8 = 3 << 6;
const ONE_SECOND: u32 = 1 << 28;
const LONGEST_POLL: i16 = 126;
const GO_AWAY: u8 = 127;
const NTP_UNIX_OFFSET: i64 = 2_208_988_800;

/// A timescale at the time of a reply. known: whether its time may be believed; shifted: whether it differs from served time.
#[derive(Clone, Copy)]
struct Scale {
    code: u8,
    known: bool,
    shifted: bool,
}

impl Scale {
    /// The timescale with a code; None if it is not served.
    fn of(state: &State, code: u8, sent: i64) -> Option<Self> {
        let known = match code {
            UTC => state.believed(sent),
            TAI if state.tai_offset != 0 => state.believed(sent) && !state.plan.is_some_and(|plan| plan.ambiguous(sent)),
            SMEARED if state.smears => state.known(sent),
            _ => return None,
        };
        Some(Self { code, known, shifted: code != UTC })
    }

    /// The one asked for if it is served and known, else what the listener shows to older versions.
    fn chosen(state: &State, asked: u8, sent: i64) -> Self {
        let usual = if state.smears { SMEARED } else { UTC };
        let unknown = Self { code: usual, known: false, shifted: false };
        let scale = Self::of(state, asked, sent).or_else(|| Self::of(state, usual, sent)).unwrap_or(unknown);
        if scale.known { scale } else { unknown }
    }

    /// From served time (UTC) to this one.
    fn shift(self, state: &State, served: i64) -> i64 {
        match self.code {
            _ if !self.shifted => served,
            TAI => {
                let past = state.plan.filter(|plan| served >= plan.at);
                served.wrapping_add((state.tai_offset + past.map_or(0, |plan| plan.sign)).wrapping_mul(NS))
            }
            _ => state.leap.map_or(served, |leap| served.wrapping_add(leap.offset_ns(served))),
        }
    }
}

/// The NTP era of an instant in whatever timescale, 8 bits.
fn era_of(shown: i64) -> u8 {
    (shown.div_euclid(NS).wrapping_add(NTP_UNIX_OFFSET) >> 32) as u8
}

/// Seconds in 4.28 fixed point, rounded up so that a bound stays a bound; saturates.
fn time32(value: f64) -> u32 {
    (value * f64::from(1_u32 << 28)).ceil() as u32
}

/// What completes a reply after its fields in clear.
enum Finish<'a> {
    Pad,
    Sign(Signature<'a>, usize),
    Seal(Opened, &'a Ring),
}

/// The fields of a header that differ from reply to reply.
struct Told {
    first: u8,
    stratum: u8,
    poll: u8,
    delay: u32,
    dispersion: u32,
    scale: u8,
    era: u8,
    flags: u16,
    cookie: u64,
    receive: u64,
    transmit: u64,
}

impl<'a, E: Entropy> Call<'a, E> {
    /// The outcome of a request of version 5. refused: what access rules and rate limit have against it; a kiss needs a request that
    /// is right.
    #[inline(never)]
    pub(crate) fn answer_v5(&mut self, refused: Option<(Reason, Response)>, nts_only: bool) -> Outcome {
        if let Some((reason, Response::Ignore)) = refused {
            return self.silence(reason, Protection::None);
        }
        let Some(fields) = walk(self.request) else { return self.silence(Reason::V5Malformed, Protection::None) };
        if !draft_is_ours(&fields) {
            return self.silence(Reason::V5Draft, Protection::None);
        }
        if let Some((reason, response)) = refused {
            return self.refuse_v5(reason, response);
        }
        if fields.nts() {
            return self.answer_v5_nts(&fields);
        }
        if nts_only {
            if self.with.listener.nts_only_silence {
                return self.silence(Reason::NtsRequired, Protection::None);
            }
            return self.refuse_v5(Reason::NtsRequired, Response::KissRstr);
        }
        let Some(mac) = fields.mac else { return self.time_v5(&fields, Protection::None, Finish::Pad) };
        let covered = self.request.get(..mac.at).unwrap_or_default();
        match self.with.service.keys.judge(covered, mac.value(), 5) {
            Ok(signature) => self.time_v5(&fields, Protection::Mac, Finish::Sign(signature, mac.at)),
            Err(reason) => self.silence(reason, Protection::Mac),
        }
    }

    fn answer_v5_nts(&mut self, fields: &Fields) -> Outcome {
        let with = self.with;
        let Some(ring) = &with.service.nts else { return self.nak_v5(Reason::NtsNotServed, fields) };
        match open_request(ring, self.request, fields, true, self.out) {
            Ok(opened) => self.time_v5(fields, Protection::Nts, Finish::Seal(opened, ring)),
            Err(reason @ (Reason::NtsMalformed | Reason::NtsShortNonce)) => self.silence(reason, Protection::Nts),
            Err(reason) => self.nak_v5(reason, fields),
        }
    }

    fn nak_v5(&mut self, reason: Reason, fields: &Fields) -> Outcome {
        self.refusal_v5(self.poll(), AUTH_NAK);
        let mut writer = Writer::after(self.out, HEADER);
        writer.put(&DRAFT_FIELD);
        if let Some(field) = fields.echoed() {
            writer.put(self.request.get(field.at..field.end).unwrap_or_default());
        }
        writer.pad(PADDING, self.request.len());
        let len = writer.end();
        self.answered(&Timed { reason, response: Response::NtsNak, saved: None }, Protection::Nts, len)
    }

    /// A refusal, which says by its poll what is wrong.
    fn refuse_v5(&mut self, reason: Reason, response: Response) -> Outcome {
        let poll = if response == Response::KissRate {
            let asked = i16::from(self.poll() as i8) + 1;
            asked.max(i16::from(self.with.service.least_poll())).min(LONGEST_POLL) as u8
        } else {
            GO_AWAY
        };
        self.refusal_v5(poll, 0);
        let mut writer = Writer::after(self.out, HEADER);
        writer.put(&DRAFT_FIELD);
        writer.pad(PADDING, self.request.len());
        let len = writer.end();
        self.answered(&Timed { reason, response, saved: None }, Protection::None, len)
    }

    fn poll(&self) -> u8 {
        self.request.get(2).copied().unwrap_or(0)
    }

    /// The time, in the interleaved mode where the client wants it and it can be had.
    fn time_v5(&mut self, fields: &Fields, protection: Protection, finish: Finish) -> Outcome {
        if self.is_stale() {
            return self.silence(Reason::Stale, protection);
        }
        let (state, service, table) = (self.with.state, self.with.service, &self.with.tables.interleaved);
        let asked = self.request.get(12).copied().unwrap_or(0);
        let scale = Scale::chosen(state, asked, self.arrival.transmit_ns);
        let wants = self.request.get(15).is_some_and(|flags| u16::from(*flags) & INTERLEAVED != 0);
        let remembered = scale.known && wants && service.interleaved_slots > 0;
        let hash = if remembered { self.arrival.sender.address.hash(service.hash_seed) } else { 0 };
        let cookie = u64_at(self.request, 16);
        let departed = if remembered && cookie != 0 { table.take(interleave::key(cookie, hash)) } else { None };
        let random = self.random();
        let (receive, transmit) = self.header_v5(scale, departed, remembered, random);
        let saved = remembered.then(|| interleave::key(receive, hash)).filter(|key| table.save(*key, self.arrival.transmit_ns));
        let moment = self.moment(scale, departed, transmit, random);
        let mut writer = Writer::after(self.out, HEADER);
        writer.put(&DRAFT_FIELD);
        answer(self.request, fields, &moment, &mut writer);
        match finish {
            Finish::Pad => writer.pad(PADDING, self.request.len()),
            Finish::Sign(signature, at) => {
                writer.pad(PADDING, at);
                let covered = writer.end();
                writer.put_field(MAC, 4 + signature.length(), &[]);
                signature.sign(covered, &mut writer);
            }
            Finish::Seal(opened, ring) => seal_reply(&opened, ring, self.entropy, &mut writer),
        }
        let len = writer.end();
        let reason = match (scale.known, scale.code == asked) {
            (false, _) => Reason::Unsynchronised,
            (true, true) => Reason::Synchronised,
            (true, false) => Reason::V5Timescale,
        };
        let response = if departed.is_some() { Response::Interleaved } else { Response::Time };
        Outcome { record: Record { version: 5, reason, response, protection }, len, saved }
    }

    /// Writes the header of a time reply; gives receive and transmit timestamp. remembered: whether its cookie may be asked for later.
    fn header_v5(&mut self, scale: Scale, departed: Option<i64>, remembered: bool, random: u64) -> (u64, u64) {
        if !scale.known {
            return self.write_refusal_v5(self.poll(), 0, scale.code, random);
        }
        let (state, sent) = (self.with.state, self.arrival.transmit_ns);
        let received = scale.shift(state, self.arrival.receive_ns);
        let (receive, mut transmit) = stamps(state, received, scale.shift(state, sent), random);
        let mut flags = SYNCHRONISED;
        if let Some(departed) = departed {
            transmit = transmit_stamp(state, scale.shift(state, departed), random);
            flags |= INTERLEAVED;
        }
        let leap = if scale.code == SMEARED { 0 } else { state.unsmeared_leap_bits };
        self.write_v5(&Told {
            first: leap | self.asked.bits,
            stratum: (state.first_word >> 48) as u8,
            poll: self.poll(),
            delay: time32(state.root_delay),
            dispersion: time32(state.dispersion(sent)).max(1),
            scale: scale.code,
            era: era_of(received),
            flags,
            cookie: if remembered { receive } else { 0 },
            receive,
            transmit,
        });
        (receive, transmit)
    }

    fn refusal_v5(&mut self, poll: u8, flags: u16) {
        let random = self.random();
        self.write_refusal_v5(poll, flags, UTC, random);
    }

    /// Writes the 48 octets of a reply that does not tell the time; its timestamps are UTC.
    fn write_refusal_v5(&mut self, poll: u8, flags: u16, scale: u8, random: u64) -> (u64, u64) {
        let (receive, transmit) = stamps(self.with.state, self.arrival.receive_ns, self.arrival.transmit_ns, random);
        self.write_v5(&Told {
            first: UNKNOWN_LEAP | self.asked.bits,
            stratum: 0,
            poll,
            delay: ONE_SECOND,
            dispersion: ONE_SECOND,
            scale,
            era: era_of(self.arrival.receive_ns),
            flags,
            cookie: 0,
            receive,
            transmit,
        });
        (receive, transmit)
    }

    fn write_v5(&mut self, told: &Told) {
        let client_cookie = u64_at(self.request, 24);
        let octets = [told.first, told.stratum, told.poll, self.with.state.precision as u8];
        let scale = [told.scale, told.era, (told.flags >> 8) as u8, told.flags as u8];
        let words = [
            u64::from(u32::from_be_bytes(octets)) << 32 | u64::from(told.delay),
            u64::from(told.dispersion) << 32 | u64::from(u32::from_be_bytes(scale)),
            told.cookie,
            client_cookie,
            told.receive,
            told.transmit,
        ];
        for (place, word) in self.out.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
    }

    /// What the fields may tell of.
    fn moment(&self, scale: Scale, departed: Option<i64>, transmit: u64, random: u64) -> Moment<'a, impl Fn(u8) -> Secondary + use<'a, E>> {
        let (state, service, arrival) = (self.with.state, self.with.service, self.arrival);
        let mut reference = 0;
        if scale.known {
            let told = scale.shift(state, state.reference_time);
            let left = scale.shift(state, departed.unwrap_or(arrival.transmit_ns));
            reference = ntp_timestamp(told);
            if told > left || later(reference, transmit) {
                reference = transmit;
            }
        }
        let secondary = move |code| match Scale::of(state, code, arrival.transmit_ns) {
            None => Secondary::NotServed,
            Some(scale) if !scale.known => Secondary::Told(0, 0),
            Some(scale) => {
                let told = scale.shift(state, arrival.receive_ns);
                Secondary::Told(era_of(told), receive_stamp(state, told, random))
            }
        };
        let epoch_id = (mix64(service.hash_seed ^ state.monotonic.map_or(0, |mapping| mapping.epoch)) >> 32) as u32;
        Moment {
            received: arrival.receive_ns,
            reference,
            secondary,
            monotonic: state.monotonic,
            epoch_id,
            reference_ids: &service.reference_ids,
        }
    }
}
