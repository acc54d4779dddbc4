//! What may be wrong with a ConfigMap of ours, in words for operators.

/// What is wrong with a ConfigMap of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Somebody else removes roots from it.
    Reverted,
    /// The API server does not let it be written.
    Refused,
}

impl Wrong {
    /// The reason of an Event.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Reverted => "RootReverted",
            Self::Refused => "RootRefused",
        }
    }

    /// What it means.
    pub fn note(self) -> &'static str {
        match self {
            Self::Reverted => {
                "somebody else removes the mesh's roots from this ConfigMap. They are written again, but the mesh's CA changes \
                 without waiting for it, and pods of this namespace may then not trust the new one"
            }
            Self::Refused => {
                "the mesh's roots can't be written to this ConfigMap: delete it if it is immutable, and check the admission \
                 policies. The mesh's CA changes without waiting for it, and pods of this namespace will then not trust the new one"
            }
        }
    }
}
