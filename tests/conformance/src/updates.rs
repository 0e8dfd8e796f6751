//! `updates.json`: headers that a client must take, must refuse, or must freeze for.

use crate::{
    files::{Expect, Hex, Time, UpdateCase},
    story::Story,
};
use catenary_crypto::Hash;
use catenary_packet::testing::{START, validator};
use catenary_types::{
    Certificate, ChainId, CommitSignature, Header, Height, Message, SignedHeader, Timestamp, ValidatorSet,
};

/// All cases.
pub(crate) fn cases(story: &Story) -> Vec<UpdateCase> {
    let maker = Maker { story, trusted: story.heights.start, target: story.heights.sent.next() };
    let parts = [
        maker.good(),
        maker.forged(),
        maker.signatures(),
        maker.times(),
        maker.sets(),
        maker.contradictions(),
    ];
    parts.into_iter().flatten().collect()
}

struct Maker<'a> {
    story: &'a Story,
    /// Where the client starts.
    trusted: Height,
    /// A later header of the same set, not adjacent.
    target: Height,
}

impl Maker<'_> {
    fn real(&self, height: Height) -> SignedHeader {
        self.story.chain.at(height).signed.clone()
    }

    fn set(&self, height: Height) -> &ValidatorSet {
        &self.story.chain.at(height).validators
    }

    fn forge(&self, height: Height, change: impl FnOnce(&mut Header)) -> SignedHeader {
        self.story.chain.forge(height, change)
    }

    /// A header under the set of its height, some time after the last header.
    fn case(&self, name: &str, signed: &SignedHeader, expect: Expect) -> UpdateCase {
        let encode = |set: &ValidatorSet| Hex(set.encode().expect("a set that exists has an encoding"));
        UpdateCase {
            name: name.into(),
            trusted: self.trusted.0,
            before: Vec::new(),
            signed_header: Hex(signed.encode()),
            validators: encode(self.set(signed.header.height)),
            trusted_validators: encode(&self.story.chain.at(self.trusted).next_validators),
            signed_header_2: None,
            validators_2: None,
            now: Time(self.story.chain.time().plus_ms(5_000)),
            expect,
            light: None,
        }
    }

    fn good(&self) -> Vec<UpdateCase> {
        let heights = &self.story.heights;
        let from = |trusted, height: Height| {
            let name = format!("{trusted} to {height}");
            Maker { trusted, ..*self }.case(&name, &self.real(height), Expect::Accept)
        };
        let before_change = Height(heights.shown.0 - 1);
        let pairs = [
            (self.trusted, self.trusted.next()),
            (self.trusted, self.target),
            (self.trusted, heights.shown),
            (before_change, heights.shown),
            (Height(1), heights.last),
        ];
        let mut cases: Vec<_> = pairs.into_iter().map(|(trusted, height)| from(trusted, height)).collect();
        let again = self.case("known header again", &self.real(self.target), Expect::Accept);
        cases.push(UpdateCase { before: vec![self.target.0], ..again });
        cases
    }

    fn forged(&self) -> Vec<UpdateCase> {
        let Self { story, target, .. } = *self;
        let real = self.real(target);
        let mut unsigned = real.clone();
        unsigned.header.app_hash = Hash([7; 32]);
        let mut old_signatures = unsigned.clone();
        old_signatures.certificate.block = unsigned.header.hash();
        let other_id = |text: String| text.parse::<ChainId>().expect("a valid chain id");
        let stranger = other_id(format!("x{}", story.chain.chain_id));
        let revision = other_id(format!("{}9", story.chain.chain_id));
        let foreign = self.forge(target, |header| header.chain_id = stranger.clone());
        let mut foreign_votes = real.clone();
        foreign_votes.certificate = Certificate {
            block: real.certificate.block,
            ..self.forge(target, |header| header.chain_id = stranger).certificate
        };
        let next_revision = self.forge(target, |header| header.chain_id = revision);
        [
            ("forged app hash under the real certificate", &unsigned),
            ("forged app hash, its own block id, signatures of the real header", &old_signatures),
            ("another chain's id, well signed", &foreign),
            ("another revision, well signed", &next_revision),
            ("certificate of another chain's header", &foreign_votes),
        ]
        .map(|(name, signed)| self.case(name, signed, Expect::Reject))
        .into()
    }

    fn signatures(&self) -> Vec<UpdateCase> {
        let Self { story, target, .. } = *self;
        let (real, set) = (self.real(target), self.set(target));
        let members = set.validators().len();
        let without = |count: usize| {
            let absent: Vec<_> = (0..count).collect();
            story.chain.certify(real.header.clone(), set, 0, &absent)
        };
        // More than two thirds must sign: of n members the last that may be missing is the one below a third.
        let spare = (members - 1) / 3;
        let mut altered = real.clone();
        if let Some(CommitSignature::Commit { signature, .. }) = altered.certificate.signatures.first_mut() {
            signature.0[40] ^= 1;
        }
        let mut cases = vec![
            self.case("as few signatures as suffice", &without(spare), Expect::Accept),
            self.case("too little power", &without(spare + 1), Expect::Reject),
            self.case("altered signature", &altered, Expect::Reject),
        ];
        if members > 1 {
            let mut swapped = real.clone();
            swapped.certificate.signatures.swap(0, 1);
            cases.push(self.case("swapped entries", &swapped, Expect::Reject));
            if let [
                CommitSignature::Commit { signature: left, .. },
                CommitSignature::Commit { signature: right, .. },
                ..,
            ] = swapped.certificate.signatures.as_mut_slice()
            {
                std::mem::swap(left, right);
            }
            swapped.certificate.signatures.swap(0, 1);
            cases.push(self.case("swapped signatures", &swapped, Expect::Reject));
        }
        cases
    }

    fn times(&self) -> Vec<UpdateCase> {
        let Self { story, trusted, target, .. } = *self;
        let start = story.chain.at(trusted).signed.header.time;
        let equal = self.forge(target, |header| header.time = start);
        let earlier = self.forge(target, |header| header.time = Timestamp(start.0 - 1));
        let late = self.real(story.heights.deadline);
        let at = |name: &str, signed: &SignedHeader, now, expect| UpdateCase {
            now: Time(now),
            ..self.case(name, signed, expect)
        };
        let ahead_by = |seconds: u64| Timestamp(late.header.time.0 - seconds * 1_000_000_000);
        vec![
            self.case("time equal to the trusted header's", &equal, Expect::Reject),
            self.case("time before the trusted header's", &earlier, Expect::Reject),
            at("9 s ahead", &late, ahead_by(9), Expect::Accept),
            at("11 s ahead", &late, ahead_by(11), Expect::Reject),
            at("trusting period over", &late, start.plus_ms(864_000_000), Expect::Reject),
        ]
    }

    fn sets(&self) -> Vec<UpdateCase> {
        let Self { story, trusted, .. } = *self;
        let heights = &story.heights;
        let members = self.set(trusted).validators().len();
        // Nobody of these was ever a member.
        let strangers = (members + 2..members * 2 + 2).map(|index| validator(&story.chain.name, index, 10));
        let strangers = ValidatorSet::new(strangers.collect()).expect("a valid set");
        let of_strangers = |height: Height| {
            let mut header = self.real(height).header;
            header.validators_hash = strangers.hash();
            story.chain.certify(header, &strangers, 0, &[])
        };
        let encoded = Hex(strangers.encode().expect("a set that exists has an encoding"));
        let with = |case: UpdateCase, validators: &Hex| UpdateCase { validators: validators.clone(), ..case };
        let skipping = self.case("strangers sign, skipping", &of_strangers(heights.deadline), Expect::Reject);
        let adjacent = self.case("strangers sign, adjacent", &of_strangers(trusted.next()), Expect::Reject);
        let other_set = self.case("validator set of strangers", &self.real(self.target), Expect::Reject);
        vec![with(skipping, &encoded), with(adjacent, &encoded), with(other_set, &encoded)]
    }

    fn contradictions(&self) -> Vec<UpdateCase> {
        let Self { story, target, .. } = *self;
        let (real, later) = (self.real(target), story.heights.deadline);
        let second = self.forge(target, |header| header.app_hash = Hash([7; 32]));
        let data = self.forge(target, |header| header.data_hash = Hash([7; 32]));
        let after = self.forge(target, |header| header.time = Timestamp(story.chain.time().0 - 1));
        let before = self.forge(later, |header| header.time = Timestamp(START.start().0 + 1));
        let round = story.chain.certify(real.header.clone(), self.set(target), 3, &[]);
        let few: Vec<_> = (0..=(self.set(target).validators().len() - 1) / 3).collect();
        let weak = story.chain.certify(second.header.clone(), self.set(target), 0, &few);
        let known = |name: &str, height: Height, signed: &SignedHeader, expect| UpdateCase {
            before: vec![height.0],
            ..self.case(name, signed, expect)
        };
        let message = |name: &str, first: &SignedHeader, other: &SignedHeader, expect| {
            let case = self.case(name, first, expect);
            let of_other = self.case(name, other, expect);
            UpdateCase {
                signed_header_2: Some(of_other.signed_header),
                validators_2: Some(of_other.validators),
                ..case
            }
        };
        vec![
            known("second header of a known height", target, &second, Expect::Freeze),
            known("lower header that is later than a known one", later, &after, Expect::Freeze),
            known("known header under another round's certificate", target, &round, Expect::Accept),
            message("misbehaviour: two headers of one height", &real, &second, Expect::Freeze),
            message("misbehaviour: headers that differ in their data alone", &real, &data, Expect::Freeze),
            message("misbehaviour: a higher header that is earlier", &before, &real, Expect::Freeze),
            message("no misbehaviour: one header decided in two rounds", &real, &round, Expect::Accept),
            message("misbehaviour with too little power", &real, &weak, Expect::Reject),
        ]
    }
}
