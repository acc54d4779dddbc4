//! The guards' findings.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use pillion_inject::{Action, Bypass, Guard};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    guard: &'static str,
    action: &'static str,
}

impl Labels {
    fn new(bypass: Bypass) -> Self {
        Self {
            guard: bypass.guard.as_str(),
            action: bypass.action.as_str(),
        }
    }
}

/// Pods by guard and action.
#[derive(Debug)]
pub(super) struct Bypasses(Family<Labels, Counter>);

impl Bypasses {
    /// Counts the findings on one pod.
    pub fn count(&self, found: &[Bypass]) {
        for bypass in found {
            self.0.get_or_create(&Labels::new(*bypass)).inc();
        }
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_injection_bypasses",
            "Pods that bypass the proxy, by guard and action (warned, refused)",
            self.0.clone(),
        );
    }
}

impl Default for Bypasses {
    /// Creates all series, because the rate of a series that first appears with 1 is 0.
    fn default() -> Self {
        let family = Family::<Labels, Counter>::default();
        for guard in Guard::ALL {
            for action in Action::ALL {
                drop(family.get_or_create(&Labels::new(Bypass { guard, action })));
            }
        }
        Self(family)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    #[test]
    fn shows_every_guard_from_the_start() {
        let (bypasses, mut registry) = (Bypasses::default(), Registry::default());
        bypasses.register(&mut registry);
        let refused = Bypass {
            guard: Guard::UserVolumeHostPath,
            action: Action::Refused,
        };
        bypasses.count(&[refused]);
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        for guard in Guard::ALL {
            for action in Action::ALL {
                let expected = Bypass { guard, action } == refused;
                let line = format!(
                    "pillion_injection_bypasses_total{{guard=\"{}\",action=\"{}\"}} {}\n",
                    guard.as_str(),
                    action.as_str(),
                    u8::from(expected)
                );
                assert!(text.contains(&line), "{line} {text}");
            }
        }
    }
}
