//! Answers the engine's effects, each at once.

use crate::engine::{self, ConsensusMsg, Resumable as _, Resume, convert, types::SignedMessage};
use crate::host::Host;
use crate::interface::Effect;
use crate::message::Message;
use crate::verify::round_threshold;
use catenary_mutant::{Mutant, is_active};

impl Host {
    /// Answers one effect. Every answer is at hand, so the engine runs from input to end without a pause.
    pub(crate) fn answer(&mut self, effect: engine::Effect) -> Resume {
        match effect {
            engine::Effect::SignVote(vote, resume) => {
                let vote = if is_active(Mutant::LockDropped) { self.without_lock(vote) } else { vote };
                match self.sign_vote(&vote) {
                    Some(signature) => resume.resume_with(SignedMessage::new(vote, signature)),
                    // Not the answer that the engine waits for: it gives up the run.
                    None => Resume::Continue,
                }
            }
            engine::Effect::SignProposal(proposal, resume) => match self.sign_proposal(&proposal) {
                Some(signature) => resume.resume_with(SignedMessage::new(proposal, signature)),
                None => Resume::Continue,
            },
            engine::Effect::VerifySignature(..)
            | engine::Effect::VerifyCommitCertificate(..)
            | engine::Effect::VerifyExtendedCommitCertificate(..)
            | engine::Effect::VerifyPolkaCertificate(..)
            | engine::Effect::VerifyRoundCertificate(..) => self.verify(effect),
            action => {
                self.act(action);
                Resume::Continue
            }
        }
    }

    /// Does what an effect says; the engine waits for no result.
    fn act(&mut self, effect: engine::Effect) {
        match effect {
            engine::Effect::CancelAllTimeouts(_) => self.running.timers.clear(),
            engine::Effect::CancelTimeout(timeout, _) => self.running.timers.cancel(timeout),
            engine::Effect::ScheduleTimeout(timeout, _) => self.start_timer(timeout),
            engine::Effect::StartRound(_, round, leader, ..) => {
                self.begin_round(convert::round_number(round), leader.0);
            }
            engine::Effect::PublishConsensusMsg(message, _) => {
                self.publish(convert::consensus_message_back(&message));
            }
            engine::Effect::PublishLivenessMsg(message, _) => {
                self.publish(convert::liveness_message_back(&message));
            }
            engine::Effect::RepublishVote(vote, _) => {
                self.publish(Message::Vote(convert::vote_back(&vote)));
            }
            engine::Effect::RepublishRoundCertificate(certificate, _) => {
                self.publish(Message::Round(convert::round_certificate_back(&certificate)));
            }
            engine::Effect::GetValue(_, round, ..) => self.build(convert::round_number(round)),
            engine::Effect::RestreamProposal(height, round, _, _, value, _) => {
                let round = convert::round_number(round);
                self.step.durable.push(Effect::Restream { height: height.0, round, value });
            }
            engine::Effect::CertVerifiedSyncValue(response, ..) => {
                let (height, value) = (self.height(), response.certificate.value_id);
                self.at_once(Effect::JudgeSynced { height, value });
            }
            engine::Effect::CertRejectedSyncValue(_, height, error, _) => {
                self.refuse_sync(height.0, error.to_string());
            }
            // The whole story follows with `Finalize`, in the same run: no target time is ever given.
            engine::Effect::Decide(..) => {}
            engine::Effect::Finalize(certificate, _, evidence, _) => {
                let evidence = convert::evidence_back(&evidence, self.running.start.last_time);
                self.decide(&certificate, evidence);
            }
            engine::Effect::WalAppend(_, input, _) => self.record(&input),
            // Vote extensions are off; the engine never asks, and would give up the run over this answer.
            engine::Effect::ExtendVote(..) | engine::Effect::VerifyVoteExtension(..) => {}
            engine::Effect::SignVote(..)
            | engine::Effect::SignProposal(..)
            | engine::Effect::VerifySignature(..)
            | engine::Effect::VerifyCommitCertificate(..)
            | engine::Effect::VerifyExtendedCommitCertificate(..)
            | engine::Effect::VerifyPolkaCertificate(..)
            | engine::Effect::VerifyRoundCertificate(..) => unreachable!("answered with a result"),
        }
    }

    /// Answers the effects that ask whether signatures verify.
    ///
    /// The engine panics when its own certificate is refused. That cannot happen: it is made of votes that it had
    /// verified here one by one, over the same set, and the same check gives the same answer.
    fn verify(&mut self, effect: engine::Effect) -> Resume {
        let (verifier, last_time) = (&mut self.verifier, self.running.start.last_time);
        match effect {
            engine::Effect::VerifySignature(signed, key, resume) => {
                resume.resume_with(match &signed.message {
                    ConsensusMsg::Vote(vote) => {
                        verifier.vote(&key, &convert::unsigned_vote_back(vote), last_time, &signed.signature)
                    }
                    ConsensusMsg::Proposal(proposal) => {
                        verifier.proposal(&key, &convert::unsigned_proposal_back(proposal), &signed.signature)
                    }
                })
            }
            engine::Effect::VerifyCommitCertificate(certificate, set, thresholds, resume) => {
                let votes = convert::commit_votes(&certificate);
                resume.resume_with(verifier.commit(&set, votes, last_time, thresholds.quorum))
            }
            engine::Effect::VerifyExtendedCommitCertificate(certificate, set, thresholds, _, resume) => {
                let certificate = certificate.trim_vote_extensions();
                let votes = convert::commit_votes(&certificate);
                let verdict = verifier.commit(&set, votes, last_time, thresholds.quorum);
                let believed = is_active(Mutant::FetchedCertificateBelieved);
                resume.resume_with(if believed { Ok(()) } else { verdict })
            }
            engine::Effect::VerifyPolkaCertificate(certificate, set, thresholds, resume) => {
                let certificate = convert::polka_back(&certificate);
                resume.resume_with(verifier.polka(&set, &certificate, last_time, thresholds.quorum))
            }
            engine::Effect::VerifyRoundCertificate(certificate, set, thresholds, resume) => {
                let threshold = round_threshold(&certificate.cert_type, &thresholds);
                let certificate = convert::round_certificate_back(&certificate);
                resume.resume_with(verifier.round(&set, &certificate, last_time, threshold))
            }
            _ => unreachable!("only these five ask"),
        }
    }
}
