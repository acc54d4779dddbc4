//! The tickets by which clients resume sessions.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    rand,
};
use rustls::server::ProducesTickets;

use crate::Error;

/// For how long a key seals tickets; for as long again it opens them.
const TURN: Duration = Duration::from_secs(30 * 60);
/// The longest session that is put into a ticket, in bytes. It holds the client's certificates.
const LONGEST: usize = 8 << 10;
const NAME: usize = 16;
const NONCE: usize = 12;

/// The keys of session tickets, to be shared by all workers and to be kept when certificates
/// are renewed. They change every half hour, so a ticket lives for an hour at most.
#[derive(Debug, Clone)]
pub struct Tickets(Arc<Mutex<Keys>>);

#[derive(Debug)]
struct Keys {
    current: Arc<Key>,
    previous: Option<Arc<Key>>,
    since: Instant,
}

struct Key {
    /// Tells which key a ticket is sealed with.
    name: [u8; NAME],
    secret: RandomizedNonceKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Tickets {
    /// Generates the first key.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no randomness.
    pub fn new() -> Result<Self, Error> {
        let current = Key::generate().ok_or(rustls::Error::FailedToGetRandomBytes)?;
        Ok(Self(Arc::new(Mutex::new(Keys {
            current: Arc::new(current),
            previous: None,
            since: Instant::now(),
        }))))
    }

    /// Tickets that are of use only where this context is the same.
    pub(super) fn within(&self, context: [u8; 32]) -> Arc<dyn ProducesTickets> {
        Arc::new(Bound {
            tickets: self.clone(),
            context,
        })
    }

    /// The key to seal with, and the one before it.
    fn keys(&self, now: Instant) -> Option<(Arc<Key>, Option<Arc<Key>>)> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_duration_since(keys.since);
        if age >= TURN {
            let next = Arc::new(Key::generate()?);
            let last = std::mem::replace(&mut keys.current, next);
            keys.previous = (age < TURN * 2).then_some(last);
            keys.since = now;
        }
        Some((Arc::clone(&keys.current), keys.previous.clone()))
    }

    fn seal(&self, plain: &[u8], context: &[u8; 32], now: Instant) -> Option<Vec<u8>> {
        if plain.len() > LONGEST {
            return None;
        }
        let (key, _) = self.keys(now)?;
        let mut sealed = plain.to_vec();
        let nonce = key
            .secret
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .ok()?;
        let mut ticket = Vec::with_capacity(NAME + NONCE + sealed.len());
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(nonce.as_ref());
        ticket.extend_from_slice(&sealed);
        Some(ticket)
    }

    fn open(&self, ticket: &[u8], context: &[u8; 32], now: Instant) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        if sealed.len() > LONGEST + AES_256_GCM.tag_len() {
            return None;
        }
        let (current, previous) = self.keys(now)?;
        let key = [Some(current), previous].into_iter().flatten();
        // The name is no secret.
        let key = key.into_iter().find(|key| key.name == *name)?;
        let mut opened = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key
            .secret
            .open_in_place(nonce, Aad::from(context), &mut opened)
            .ok()?
            .len();
        opened.truncate(plain);
        Some(opened)
    }
}

impl Key {
    fn generate() -> Option<Self> {
        let (mut name, mut secret) = ([0; NAME], [0; 32]);
        rand::fill(&mut name).ok()?;
        rand::fill(&mut secret).ok()?;
        let secret = RandomizedNonceKey::new(&AES_256_GCM, &secret).ok()?;
        Some(Self { name, secret })
    }
}

#[derive(Debug)]
struct Bound {
    tickets: Tickets,
    context: [u8; 32],
}

impl ProducesTickets for Bound {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from((TURN * 2).as_secs()).unwrap_or_default()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.seal(plain, &self.context, Instant::now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.tickets.open(ticket, &self.context, Instant::now())
    }
}
