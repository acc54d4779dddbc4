//! One stream, from its connection to its end.

use std::{pin::pin, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use pillion_envoy_api::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tonic::Response;

use super::{
    connect::{Connect, Failure},
    driver::{Driver, Gone},
    event::Event,
    transport::Connection,
};
use crate::limits::MAX_RESPONSE_BYTES;

/// How long a server may take until its first response, if it has to respond.
const FIRST_RESPONSE: Duration = Duration::from_secs(30);

/// How a stream ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) failure: Failure,
    /// Whether the server sent anything.
    pub(super) has_worked: bool,
}

/// Connects, and serves the stream until it ends.
pub(super) async fn run(driver: &mut Driver, connect: &Connect) -> Result<Ended, Gone> {
    let connection = match driver.during(Box::pin(Connection::open(connect))).await? {
        Ok(connection) => connection,
        Err(error) => {
            return Ok(Ended {
                failure: error.into(),
                has_worked: false,
            });
        }
    };
    driver.outbox.push_back(Event::Connected);
    driver.client.connected();
    let mut has_worked = false;
    let failure = stream(driver, connection, &mut has_worked).await?;
    Ok(Ended {
        failure,
        has_worked,
    })
}

async fn stream(
    driver: &mut Driver,
    connection: Connection,
    has_worked: &mut bool,
) -> Result<Failure, Gone> {
    let (requests, mut receiver) = mpsc::channel(1);
    let requested = stream::poll_fn(move |context| receiver.poll_recv(context));
    let request = connection.request(requested);
    let mut service =
        AggregatedDiscoveryServiceClient::with_origin(connection.calls(), connection.origin())
            .max_decoding_message_size(MAX_RESPONSE_BYTES);
    // A server may send nothing, not even headers, until it has had a request.
    let call = service.delta_aggregated_resources(request);
    let responses = stream::once(async { call.await.map(Response::into_inner) }).try_flatten();
    let mut responses = pin!(responses);
    let silent = Instant::now() + FIRST_RESPONSE;
    let mut is_writable = true;
    loop {
        let client = &driver.client;
        if client.needs_new_stream() {
            return Ok(Failure::Renewed);
        }
        let (can_send, can_receive) = (
            is_writable && client.is_ready(),
            client.can_receive() && driver.outbox.is_empty(),
        );
        let is_waiting = !*has_worked && client.expects_answer();
        tokio::select! {
            step = driver.step() => step?,
            response = responses.next(), if can_receive => {
                let response = match response {
                    None => return Ok(Failure::Ended),
                    Some(Err(status)) => return Ok(Failure::Status(Box::new(status))),
                    Some(Ok(response)) => response,
                };
                *has_worked = true;
                match driver.client.receive(response) {
                    Ok(update) => driver.outbox.extend(update.map(Event::Update)),
                    Err(error) => return Ok(error.into()),
                }
            }
            permit = requests.reserve(), if can_send => {
                // The end of the stream shows in the responses.
                is_writable = permit.is_ok();
                if let (Ok(permit), Some(request)) = (permit, driver.client.next_request()) {
                    permit.send(request);
                }
            }
            () = sleep_until(silent), if is_waiting => {
                return Ok(Failure::Silent(FIRST_RESPONSE));
            }
        }
    }
}
