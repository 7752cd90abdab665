//! Requests of versions 1 to 4 that are longer than their header: extension fields, NTS, MACs.

use crate::fields::{self, Fields};
use crate::judge::SYMMETRIC_ACTIVE;
use crate::mac::Signature;
use crate::nts::{open_request, seal_reply};
use crate::reasons::{Protection, Reason, Response};
use crate::reply::{Call, Outcome, Timed};
use crate::service::Entropy;
use crate::wire::{HEADER, Writer};

const CRYPTO_NAK: [u8; 4] = [0; 4];
const MS_SNTP: usize = 20;
const MS_SNTP_EXTENDED: usize = 72;

impl<E: Entropy> Call<'_, E> {
    #[inline(never)]
    pub(crate) fn answer_rest(&mut self, nts_only: bool) -> Outcome {
        if self.asked.version < 4 {
            return self.answer_old(nts_only);
        }
        if self.is_ms_sntp() {
            return self.silence(Reason::MsSntp, Protection::None);
        }
        let fields = match fields::walk(self.request) {
            Ok(fields) => fields,
            Err(reason) => return self.silence(reason, Protection::None),
        };
        if fields.autokey {
            return self.silence(Reason::Autokey, Protection::None);
        }
        if fields.nts() {
            return self.answer_nts(&fields);
        }
        if nts_only {
            return self.refuse_plain();
        }
        self.answer_authenticated(&fields)
    }

    fn answer_old(&mut self, nts_only: bool) -> Outcome {
        if self.asked.version == 3 && (self.is_ms_sntp() || self.request.len() == HEADER + MS_SNTP_EXTENDED) {
            return self.silence(Reason::MsSntp, Protection::None);
        }
        if nts_only {
            return self.refuse_plain();
        }
        self.answer_authenticated(&Fields { end: HEADER, ..Fields::default() })
    }

    /// A key id and a digest of zeros, for a domain controller to fill in.
    fn is_ms_sntp(&self) -> bool {
        self.request.len() == HEADER + MS_SNTP
            && self.request.get(HEADER + 4..).is_some_and(|digest| digest.iter().all(|octet| *octet == 0))
    }

    /// A request whose MAC, if it has one, begins where its fields end.
    fn answer_authenticated(&mut self, fields: &Fields) -> Outcome {
        let mac = self.request.get(fields.end..).unwrap_or_default();
        if mac.is_empty() {
            return self.answer_time(Protection::None, fields, None);
        }
        if mac == CRYPTO_NAK {
            return self.silence(Reason::PeerCryptoNak, Protection::Mac);
        }
        let covered = self.request.get(..fields.end).unwrap_or_default();
        match self.with.service.keys.judge(covered, mac, self.asked.version) {
            Ok(signature) => self.answer_time(Protection::Mac, fields, Some(signature)),
            Err(reason) if self.asked.version == 4 => self.crypto_nak(reason),
            Err(reason) => self.silence(reason, Protection::Mac),
        }
    }

    fn answer_time(&mut self, protection: Protection, fields: &Fields, signature: Option<Signature>) -> Outcome {
        let Some(timed) = self.time() else { return self.silence(Reason::Stale, protection) };
        let upgraded = self.with.service.ntpv5 && self.tell_of_version_5(fields.draft.first);
        let mut writer = Writer::after(self.out, HEADER);
        for field in [fields.echoed(), fields.draft.first.filter(|_| upgraded)].into_iter().flatten() {
            writer.put(field.octets);
        }
        if let Some(signature) = signature {
            signature.sign(writer.end(), &mut writer);
        }
        let len = writer.end();
        self.answered(&timed, protection, len)
    }

    /// The header of a time reply and four zero octets (RFC 5905, section 9.2).
    fn crypto_nak(&mut self, reason: Reason) -> Outcome {
        let known = self.known();
        self.write_time(known, None);
        let mut writer = Writer::after(self.out, HEADER);
        writer.put(&CRYPTO_NAK);
        let len = writer.end();
        self.answered(&Timed { reason, response: Response::CryptoNak, saved: None }, Protection::Mac, len)
    }

    fn answer_nts(&mut self, fields: &Fields) -> Outcome {
        if self.asked.mode == SYMMETRIC_ACTIVE {
            return self.silence(Reason::NtsMalformed, Protection::Nts);
        }
        let Some(ring) = &self.with.service.nts else { return self.nts_nak(Reason::NtsNotServed, fields) };
        let opened = match open_request(ring, self.request, fields, false, self.out) {
            Ok(opened) => opened,
            Err(reason @ (Reason::NtsMalformed | Reason::NtsShortNonce)) => return self.silence(reason, Protection::Nts),
            Err(reason) => return self.nts_nak(reason, fields),
        };
        let Some(timed) = self.time() else { return self.silence(Reason::Stale, Protection::Nts) };
        let mut writer = Writer::after(self.out, HEADER);
        if let Some(field) = fields.echoed() {
            writer.put(field.octets);
        }
        seal_reply(&opened, ring, self.entropy, &mut writer);
        let len = writer.end();
        self.answered(&timed, Protection::Nts, len)
    }

    /// "Establish new keys" (RFC 8915, section 5.7), with the unique identifier if it could be read.
    fn nts_nak(&mut self, reason: Reason, fields: &Fields) -> Outcome {
        let mut outcome = self.kiss(reason, Response::NtsNak, Protection::Nts);
        if let Some(field) = fields.echoed().filter(|_| outcome.len == HEADER) {
            let mut writer = Writer::after(self.out, HEADER);
            writer.put(field.octets);
            outcome.len = writer.end();
        }
        outcome
    }
}
