//! Where a test has this process die.
//!
//! With the feature `failpoints`, `CATENARY_FAILPOINT=name[:nth]` names a failpoint: when it is reached for the nth time,
//! the first if no number is given, the process says so and aborts, as if it had been killed there. Without the feature
//! the variable is not read and the places cost nothing.

pub use catenary_failpoint::Failpoint;

#[cfg(feature = "failpoints")]
pub use armed::{arm, reached, reached_each};
#[cfg(not(feature = "failpoints"))]
pub use unarmed::{arm, reached, reached_each};

use catenary_failpoint::UnknownFailpoint;
use std::num::ParseIntError;
use thiserror::Error;

/// Names the failpoint to die at.
pub const VARIABLE: &str = "CATENARY_FAILPOINT";

/// The variable does not say where to die.
#[derive(Debug, Error)]
pub enum ArmError {
    /// There is no such place.
    #[error("{VARIABLE}: {0}")]
    Unknown(#[from] UnknownFailpoint),
    /// Its number is none.
    #[error("{VARIABLE}: {text:?} is no number from 1 on: {error}")]
    Number {
        /// What stands there.
        text: String,
        /// Why.
        error: ParseIntError,
    },
}

#[cfg(not(feature = "failpoints"))]
mod unarmed {
    use super::{ArmError, Failpoint};

    /// Does nothing.
    #[inline]
    pub fn arm() -> Result<(), ArmError> {
        Ok(())
    }

    /// Does nothing.
    #[inline]
    pub fn reached(_point: Failpoint) {}

    /// Does nothing, and looks at none of them.
    #[inline]
    pub fn reached_each(_points: impl IntoIterator<Item = Failpoint>) {}
}

#[cfg(feature = "failpoints")]
mod armed {
    use super::{ArmError, Failpoint, VARIABLE};
    use std::env;
    use std::num::NonZeroU64;
    use std::process::abort;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: OnceLock<Armed> = OnceLock::new();

    struct Armed {
        point: Failpoint,
        /// How often it is still to be reached, the last time included.
        left: AtomicU64,
    }

    /// Reads the variable, once and before anything that it could name.
    pub fn arm() -> Result<(), ArmError> {
        if let Ok(text) = env::var(VARIABLE) {
            let (point, nth) = read(&text)?;
            ARMED.get_or_init(|| Armed { point, left: AtomicU64::new(nth.get()) });
        }
        Ok(())
    }

    /// Dies here, if this is the place and the time.
    pub fn reached(point: Failpoint) {
        if let Some(armed) = ARMED.get()
            && armed.point == point
            && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            eprintln!("failpoint {point} reached, abort");
            abort();
        }
    }

    /// Reaches all of them, one by one.
    pub fn reached_each(points: impl IntoIterator<Item = Failpoint>) {
        points.into_iter().for_each(reached);
    }

    /// Reads `name[:nth]`.
    fn read(text: &str) -> Result<(Failpoint, NonZeroU64), ArmError> {
        let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
        let wrong = |error| ArmError::Number { text: nth.to_owned(), error };
        Ok((name.parse()?, nth.parse().map_err(wrong)?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_name_comes_with_a_number_or_means_the_first_time() {
            let read = |text| read(text).map(|(point, nth)| (point, nth.get()));
            assert_eq!(read("index-opening").unwrap(), (Failpoint::IndexOpening, 1));
            assert_eq!(read("index-opening:7").unwrap(), (Failpoint::IndexOpening, 7));
            assert!(matches!(read("index"), Err(ArmError::Unknown(_))));
            for text in ["index-opening:0", "index-opening:", "index-opening:-1"] {
                assert!(matches!(read(text), Err(ArmError::Number { .. })), "{text}");
            }
        }
    }
}
