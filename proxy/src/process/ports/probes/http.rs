//! Probes by HTTP.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header, request, uri::Authority};

use super::{
    super::{
        client::{Client, ClientError},
        redirect::Target,
        request::Answer,
    },
    Shared,
};
use crate::process::app_probes::HttpGet;

/// As much of a body as the kubelet reads.
const MAX_BODY: usize = 10 * 1024;

/// Fields of the kubelet's connection to the proxy, not of its question.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

impl Shared {
    /// Asks the application, and follows redirects to itself.
    pub(super) async fn http(
        &self,
        get: &HttpGet,
        head: &request::Parts,
        within: Duration,
    ) -> Result<Answer, ClientError> {
        let mut headers = headers(get, &head.headers);
        headers.insert(
            header::HOST,
            host(get, head, self.status_port, self.application),
        );
        let target = Target {
            scheme: get.scheme,
            port: get.port,
            path: get.path.clone(),
        };
        let client = Client {
            address: self.application,
            from: Some(self.source()),
            tls: Some(&self.tls),
            within,
        };
        client.get(target, headers, MAX_BODY).await
    }
}

/// The kubelet's fields, which have those of the probe, because the injector keeps them.
/// Somebody else who asks need not know them.
fn headers(get: &HttpGet, incoming: &HeaderMap) -> HeaderMap {
    let mut headers = incoming.clone();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for (name, value) in &get.headers {
        if !incoming.contains_key(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers
}

/// The probe's own `Host`, or the kubelet's with the application's port in place of ours.
fn host(
    get: &HttpGet,
    head: &request::Parts,
    status_port: u16,
    application: IpAddr,
) -> HeaderValue {
    if let Some(host) = &get.host {
        return host.clone();
    }
    let sent = head.headers.get(header::HOST);
    let sent = sent.and_then(|value| value.to_str().ok());
    let authority = sent
        .and_then(|text| text.parse::<Authority>().ok())
        .or_else(|| head.uri.authority().cloned());
    let text = match &authority {
        Some(authority) if authority.port_u16() == Some(status_port) => {
            format!("{}:{}", authority.host(), get.port)
        }
        Some(authority) => authority.to_string(),
        None => SocketAddr::new(application, get.port).to_string(),
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("localhost"))
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, uri::PathAndQuery};

    use super::*;
    use crate::process::app_probes::Scheme;

    const POD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

    fn probe() -> HttpGet {
        HttpGet {
            scheme: Scheme::Http,
            port: 8080,
            path: PathAndQuery::from_static("/"),
            headers: vec![(
                HeaderName::from_static("a"),
                HeaderValue::from_static("probe's"),
            )],
            host: None,
        }
    }

    #[test]
    fn puts_the_application_s_port_in_place_of_the_status_port() {
        for (sent, expected) in [
            (Some("10.0.0.5:15020"), "10.0.0.5:8080"),
            (Some("[fd00::5]:15020"), "[fd00::5]:8080"),
            (Some("shop.example"), "shop.example"),
            (Some("shop.example:99"), "shop.example:99"),
            (None, "10.0.0.5:8080"),
        ] {
            let mut request = Request::get("/");
            if let Some(sent) = sent {
                request = request.header("host", sent);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(host(&probe(), &head, 15020, POD), expected);
        }
        let named = HttpGet {
            host: Some(HeaderValue::from_static("shop")),
            ..probe()
        };
        let (head, ()) = Request::get("/").body(()).unwrap().into_parts();
        assert_eq!(host(&named, &head, 15020, POD), "shop");
    }

    #[test]
    fn copies_the_kubelet_s_fields_and_adds_the_probe_s() {
        let mut incoming = HeaderMap::new();
        incoming.insert("user-agent", HeaderValue::from_static("kube-probe/1.36"));
        incoming.insert("connection", HeaderValue::from_static("keep-alive"));
        let sent = headers(&probe(), &incoming);
        assert_eq!(sent["user-agent"], "kube-probe/1.36");
        assert_eq!(sent["connection"], "close");
        assert_eq!(sent["a"], "probe's");
        incoming.insert("a", HeaderValue::from_static("kubelet's"));
        let sent = headers(&probe(), &incoming);
        let values: Vec<_> = sent.get_all("a").iter().collect();
        assert_eq!(values, ["kubelet's"]);
    }
}
