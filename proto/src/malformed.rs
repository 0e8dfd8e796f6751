//! The one error of conversions: which field, and what was expected there.

/// A message that is no value of its domain type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Malformed {
    /// Path of the field from the message on, for example `validators.pub_key`.
    pub field: String,
    /// What was expected and what came.
    pub reason: String,
}

impl Malformed {
    /// The field has no valid value.
    pub fn new(field: impl Into<String>, reason: impl ToString) -> Self {
        Self { field: field.into(), reason: reason.to_string() }
    }

    /// The field must be there.
    pub fn missing(field: &str) -> Self {
        Self::new(field, "expected a value, got none")
    }

    /// The same, seen from the message around it.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        Self { field: format!("{outer}.{}", self.field), ..self }
    }
}
