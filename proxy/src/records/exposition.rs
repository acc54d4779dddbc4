//! The metrics as OpenMetrics text.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    connection::ConnectionCells,
    histogram::{BOUNDS, Counted, Histogram},
    open_metrics::{write_head, write_total},
    recorder::Shared,
    registry::Shown,
    request_series::RequestCells,
};

/// Appends all families.
pub(super) fn write(shared: &Shared, text: &mut String) {
    let requests = shared.requests.registry.snapshot();
    counters(
        ("istio_requests", "Requests"),
        &requests,
        |cells: &RequestCells| &cells.requests,
        text,
    );
    histograms(
        (
            "istio_request_duration_milliseconds",
            "How long requests took, until the last byte of the response",
        ),
        &requests,
        |cells| &cells.duration,
        text,
    );
    histograms(
        ("istio_request_bytes", "Bytes of requests' bodies"),
        &requests,
        |cells| &cells.request_bytes,
        text,
    );
    histograms(
        ("istio_response_bytes", "Bytes of responses' bodies"),
        &requests,
        |cells| &cells.response_bytes,
        text,
    );
    write_connections(shared, text);
    shared.refusals.write(text);
    let overflows = shared.requests.overflows.load(Relaxed);
    write_total(
        "pillion_metric_series_overflows",
        "Requests and connections that were counted under \"overflow\", because there are too many series",
        overflows + shared.connection_overflows.load(Relaxed),
        text,
    );
}

fn write_connections(shared: &Shared, text: &mut String) {
    type Cell = fn(&ConnectionCells) -> &AtomicU64;
    let connections = shared.connections.snapshot();
    let families: [(&str, &str, Cell); 4] = [
        (
            "istio_tcp_connections_opened",
            "Connections that were opened",
            |cells| &cells.opened,
        ),
        (
            "istio_tcp_connections_closed",
            "Connections that have ended",
            |cells| &cells.closed,
        ),
        ("istio_tcp_sent_bytes", "Bytes that servers sent", |cells| {
            &cells.sent
        }),
        (
            "istio_tcp_received_bytes",
            "Bytes that clients sent",
            |cells| &cells.received,
        ),
    ];
    for (name, help, cell) in families {
        counters((name, help), &connections, cell, text);
    }
}

fn counters<C>(
    (name, help): (&str, &str),
    series: &[Shown<C>],
    cell: impl Fn(&C) -> &AtomicU64,
    text: &mut String,
) {
    if series.is_empty() {
        return;
    }
    write_head(name, help, "counter", text);
    for (labels, slots) in series {
        let values = slots.iter().map(|slot| cell(&slot.cells).load(Relaxed));
        let value: u64 = values.sum();
        text.extend([name, "_total{", labels]);
        // A String takes every write.
        let _ = writeln!(text, "}} {value}");
    }
}

fn histograms(
    (name, help): (&str, &str),
    series: &[Shown<RequestCells>],
    cell: impl Fn(&RequestCells) -> &Histogram,
    text: &mut String,
) {
    if series.is_empty() {
        return;
    }
    write_head(name, help, "histogram", text);
    for (labels, slots) in series {
        let mut counted = Counted::default();
        let slots = slots.iter();
        slots.for_each(|slot| cell(&slot.cells).add_to(&mut counted));
        let mut count = 0;
        let bounds = BOUNDS.into_iter().chain(["+Inf"]);
        for (bound, bucket) in bounds.zip(counted.buckets) {
            count += bucket;
            text.extend([name, "_bucket{", labels, ",le=\"", bound]);
            // A String takes every write.
            let _ = writeln!(text, "\"}} {count}");
        }
        for (suffix, value) in [("_sum{", counted.sum), ("_count{", count)] {
            text.extend([name, suffix, labels]);
            let _ = writeln!(text, "}} {value}");
        }
    }
}
