//! What a table knows of something.

/// The answer of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup<T> {
    /// This.
    Found(T),
    /// There is none.
    Missing,
    /// The control plane has been asked and has not answered: a newer snapshot will tell.
    Waiting,
}

impl<T> Lookup<T> {
    /// The same, with something else found.
    pub fn map<U>(self, other: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Found(found) => Lookup::Found(other(found)),
            Self::Missing => Lookup::Missing,
            Self::Waiting => Lookup::Waiting,
        }
    }

    /// What was found.
    #[cfg(test)]
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Missing | Self::Waiting => None,
        }
    }
}

impl<T> From<Option<T>> for Lookup<T> {
    fn from(found: Option<T>) -> Self {
        found.map_or(Self::Missing, Self::Found)
    }
}
