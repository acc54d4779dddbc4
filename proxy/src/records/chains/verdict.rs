//! What can be said of an application, by what became of traces.

/// Traces that are cut, before anything is said of it: one may be chance.
pub(super) const ENOUGH: u64 = 3;

/// What became of traces, and what left without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub continued: u64,
    pub cut: u64,
    /// Nothing left alone while they were under way, or it was another trace that it cut.
    pub ended: u64,
    /// Requests that left, as part of no trace, while traces were open.
    pub alone: u64,
    /// Those of them that had an id of their own, some context of B3, or one of W3C.
    pub with_request_id: u64,
    pub with_b3: u64,
    pub with_trace_parent: u64,
}

/// What can be said of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Too little has been seen.
    Unknown,
    PassesOn,
    Cuts,
}

impl Counts {
    /// What can be said. An application may send requests on its own, too, so a trace that is cut
    /// now and then says nothing where others are continued, or most of them cause no requests.
    pub fn verdict(&self) -> Verdict {
        let is_rule = self.cut > self.continued && self.cut >= self.ended / 10;
        if self.cut >= ENOUGH && is_rule {
            return Verdict::Cuts;
        }
        match self.continued {
            0 => Verdict::Unknown,
            _ => Verdict::PassesOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_the_application_s_own_are_no_fault() {
        let counts = Counts {
            cut: 4,
            ended: 50,
            ..Counts::default()
        };
        assert_eq!(counts.verdict(), Verdict::Unknown);
        let cuts = Counts { cut: 5, ..counts };
        assert_eq!(cuts.verdict(), Verdict::Cuts);
        let continues = Counts {
            continued: 5,
            ..cuts
        };
        assert_eq!(continues.verdict(), Verdict::PassesOn);
    }
}
