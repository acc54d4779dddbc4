//! What a sidecar has counted, read from its metrics.

use kube::Client;

/// The metrics of one sidecar at one time.
#[derive(Debug)]
pub struct Counters(String);

/// Who has counted: the client's sidecar, or the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporter {
    Source,
    Destination,
}

impl Reporter {
    /// Its value of the label `reporter`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

impl Counters {
    /// Asks port 15090 through the API server, which reaches pods directly.
    pub async fn read(client: &Client, namespace: &str, pod: &str) -> Self {
        let path =
            format!("/api/v1/namespaces/{namespace}/pods/{pod}:15090/proxy/stats/prometheus");
        let request = hyper::Request::get(path).body(Vec::new()).unwrap();
        Self(client.request_text(request).await.unwrap())
    }

    /// The sum of the series of a metric that have these labels; 0 if there are none.
    pub fn sum(&self, metric: &str, labels: &[(&str, &str)]) -> u64 {
        let series = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(metric)?;
            let (given, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let given = format!(",{given}");
            labels
                .iter()
                .all(|(name, value)| given.contains(&format!(",{name}=\"{value}\"")))
                .then(|| value.split(' ').next()?.parse::<f64>().ok())?
        });
        series.sum::<f64>() as u64
    }

    fn of(&self, metric: &str, reporter: Reporter) -> u64 {
        self.sum(metric, &[("reporter", reporter.as_str())])
    }

    pub fn tcp_opened(&self, reporter: Reporter) -> u64 {
        self.of("istio_tcp_connections_opened_total", reporter)
    }

    pub fn tcp_closed(&self, reporter: Reporter) -> u64 {
        self.of("istio_tcp_connections_closed_total", reporter)
    }

    /// Bytes that servers have sent, of connections that have ended.
    pub fn tcp_sent(&self, reporter: Reporter) -> u64 {
        self.of("istio_tcp_sent_bytes_total", reporter)
    }

    /// Bytes that clients have sent, of connections that have ended.
    pub fn tcp_received(&self, reporter: Reporter) -> u64 {
        self.of("istio_tcp_received_bytes_total", reporter)
    }

    /// Connections carried as TCP, and requests carried as HTTP.
    pub fn carried(&self, reporter: Reporter) -> u64 {
        self.tcp_opened(reporter) + self.of("istio_requests_total", reporter)
    }
}

#[test]
fn adds_up_the_series_that_have_the_labels() {
    let counters = Counters(
        "# TYPE a counter\n\
         a_total{reporter=\"source\",code=\"200\"} 2\n\
         a_total{code=\"503\",reporter=\"source\"} 1.0\n\
         a_total{source_reporter=\"source\",reporter=\"destination\"} 8\n\
         a_total_more{reporter=\"source\"} 16\n\
         b_total 4\n"
            .to_owned(),
    );
    assert_eq!(counters.sum("a_total", &[("reporter", "source")]), 3);
    let both = [("reporter", "source"), ("code", "200")];
    assert_eq!(counters.sum("a_total", &both), 2);
    assert_eq!(counters.sum("b_total", &[]), 4);
    assert_eq!(counters.sum("c_total", &[]), 0);
}
