//! A client with its connection, which it renews for as long as it is wanted.

use std::{collections::VecDeque, sync::Arc};

use tokio::{sync::mpsc, time::sleep};

use super::{
    backoff::Backoff,
    connect::Connect,
    driver::{Command, Driver, Gone},
    event::{Event, Refusal},
    session,
    state::Client,
};

/// How many commands and events wait for the other side.
const COMMANDS: usize = 64;
const EVENTS: usize = 4;

/// Tells a running client what to do. The client ends once all its handles are dropped.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
}

impl Handle {
    /// See [`Client::subscribe`]; what fails comes back as [`Event::Refused`].
    pub async fn subscribe(&self, type_url: &'static str, names: Vec<Arc<str>>) {
        self.tell(Command::Subscribe(type_url, names)).await;
    }

    /// See [`Client::unsubscribe`].
    pub async fn unsubscribe(&self, type_url: &'static str, names: Vec<Arc<str>>) {
        self.tell(Command::Unsubscribe(type_url, names)).await;
    }

    /// See [`Client::ack`].
    pub async fn ack(&self, type_url: &'static str, nonce: String) {
        self.nack(type_url, nonce, Vec::new()).await;
    }

    /// See [`Client::nack`].
    pub async fn nack(&self, type_url: &'static str, nonce: String, refusals: Vec<Refusal>) {
        self.tell(Command::Answer(type_url, nonce, refusals)).await;
    }

    async fn tell(&self, command: Command) {
        // A client that has ended needs to be told nothing.
        let _ = self.commands.send(command).await;
    }
}

/// A client that connects, and connects again whenever its stream ends: what it is told by,
/// what it tells, and the task itself, which the caller runs.
///
/// Of the events, every [`Event::Update`] has to be answered: the client does not connect again
/// before. The task ends when all handles, or the receiver, are dropped.
pub fn run(
    connect: Connect,
    client: Client,
) -> (
    Handle,
    mpsc::Receiver<Event>,
    impl Future<Output = ()> + Send,
) {
    let (handle, commands) = mpsc::channel(COMMANDS);
    let (sender, events) = mpsc::channel(EVENTS);
    let driver = Driver {
        client,
        commands,
        events: sender,
        outbox: VecDeque::new(),
    };
    let handle = Handle { commands: handle };
    let task = async move {
        // The application needs no word of its own end.
        let _ = serve(driver, &connect).await;
    };
    (handle, events, task)
}

/// Connects again and again, until the application has gone.
async fn serve(mut driver: Driver, connect: &Connect) -> Result<(), Gone> {
    let mut backoff = Backoff::default();
    loop {
        let ended = session::run(&mut driver, connect).await?;
        if ended.has_worked {
            backoff.reset();
        }
        let retry = backoff.next(fastrand::f64());
        let reason = format!("discovery server {}: {}", connect.address, ended.failure);
        tracing::info!(%reason, ?retry, "no stream of configuration");
        driver
            .outbox
            .push_back(Event::Disconnected { reason, retry });
        driver.during(sleep(retry)).await?;
        // What is held has to be known, to ask for the rest.
        while !(driver.client.is_settled() && driver.outbox.is_empty()) {
            driver.step().await?;
        }
    }
}
