//! Resume tokens: where a stream of events goes on. Opaque to clients.
//!
//! `01 ‖ first 8 bytes of SHA256(chain id) ‖ BE64(height) ‖ BE32(index) ‖ first 4 bytes of SHA256 of what stands before`

use catenary_crypto::sha256;
use catenary_proto::{Fault, api::ErrorReason};
use catenary_types::{ChainId, Height};

const VERSION: u8 = 1;
const BODY_BYTES: usize = 21;
const TOKEN_BYTES: usize = BODY_BYTES + 4;

/// The next event to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) height: Height,
    /// Place of the event among all of its block.
    pub(crate) index: u32,
}

impl Place {
    pub(crate) fn start_of(height: Height) -> Self {
        Self { height, index: 0 }
    }

    pub(crate) fn token(self, chain: &ChainId) -> Vec<u8> {
        let mut token = Vec::with_capacity(TOKEN_BYTES);
        token.push(VERSION);
        token.extend(&sha256(chain.as_str().as_bytes()).0[..8]);
        token.extend(self.height.0.to_be_bytes());
        token.extend(self.index.to_be_bytes());
        token.extend(&sha256(&token).0[..4]);
        token
    }

    pub(crate) fn from_token(chain: &ChainId, token: &[u8]) -> Result<Self, Fault> {
        let place = Self::read(token).filter(|place| place.token(chain) == token);
        place.ok_or_else(|| {
            let message = format!("expected a resume token of {chain}, as one of its messages carried it");
            Fault::new(ErrorReason::ResumeTokenInvalid, message.clone()).field("resume_token", message)
        })
    }

    fn read(token: &[u8]) -> Option<Self> {
        let height = u64::from_be_bytes(token.get(9..17)?.try_into().ok()?);
        let index = u32::from_be_bytes(token.get(17..BODY_BYTES)?.try_into().ok()?);
        Some(Self { height: Height(height), index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(name: &str) -> ChainId {
        format!("{name}-0123456789abcdef-1").parse().unwrap()
    }

    #[test]
    fn a_token_leads_back_on_its_own_chain_only() {
        let place = Place { height: Height(7), index: 300 };
        let token = place.token(&chain("berka"));
        assert_eq!(Place::from_token(&chain("berka"), &token), Ok(place));
        assert!(Place::from_token(&chain("ab"), &token).is_err());
    }

    #[test]
    fn damaged_tokens_are_refused() {
        let token = Place::start_of(Height(1)).token(&chain("berka"));
        for at in 0..token.len() {
            let mut damaged = token.clone();
            damaged[at] ^= 1;
            assert!(Place::from_token(&chain("berka"), &damaged).is_err(), "byte {at}");
            assert!(Place::from_token(&chain("berka"), &token[..at]).is_err(), "cut at {at}");
        }
    }
}
