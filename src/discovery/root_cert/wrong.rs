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
                "somebody else removes roots of the mesh from this ConfigMap. They are written again, and the mesh's CA \
                 changes all the same: pods of this namespace may then not trust it"
            }
            Self::Refused => {
                "the roots of the mesh can't be written into this ConfigMap: delete it if it is immutable, and look at what \
                 admission policies say. The mesh's CA changes all the same: pods of this namespace do then not trust it"
            }
        }
    }
}
