//! The ports that the proxy uses, as Istio's documentation lists them.

/// The default status port: health checks and merged metrics.
pub(crate) const STATUS: u16 = 15020;

const RESERVED: [(u16, &str); 9] = [
    (15000, "its admin interface"),
    (15001, "outbound capture"),
    (15004, "debugging"),
    (15006, "inbound capture"),
    (15008, "the HBONE tunnel"),
    (STATUS, "the merged metrics"),
    (15021, "health checks"),
    (15053, "DNS"),
    (15090, "its own metrics"),
];

/// What the proxy uses a port for.
pub(crate) fn purpose(port: u16) -> Option<&'static str> {
    let (_, purpose) = RESERVED.iter().find(|(reserved, _)| *reserved == port)?;
    Some(purpose)
}
