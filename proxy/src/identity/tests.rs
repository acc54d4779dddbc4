//! A proxy and a CA that is played, over loopback and TLS. Where time passes, it is paused: it goes on where both
//! wait.

mod ca;

use std::{cell::Cell, sync::Arc};

use pillion_certs::{Authority, Bundle};
use pillion_serve::Readiness;
use time::{Duration, OffsetDateTime};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tonic::{Code, Status};

use self::ca::{Ca, Play};
use super::{
    answer::Answer, ask::Question, credentials::Credentials, failure::Failure, settings::Settings,
    start, trust_domains::TrustDomains,
};
use crate::{
    metrics::Metrics,
    records::{Records, Workload},
};

type Roots = watch::Sender<Option<Arc<Bundle>>>;

thread_local! {
    /// What the wall clock showed at a time, on the thread of a test.
    static CLOCK: Cell<Option<(Instant, OffsetDateTime)>> = const { Cell::new(None) };
}

/// The wall clock of the test, which goes on with its time.
fn now() -> OffsetDateTime {
    let at = Instant::now();
    let (then, shown) = CLOCK.get().unwrap_or_else(|| {
        let first = (at, OffsetDateTime::now_utc());
        CLOCK.set(Some(first));
        first
    });
    shown + (at - then)
}

fn set_clock(shown: OffsetDateTime) {
    CLOCK.set(Some((Instant::now(), shown)));
}

/// The identity of a proxy.
struct Proxy {
    credentials: watch::Receiver<Option<Arc<Credentials>>>,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    roots: Roots,
}

fn trust_domains() -> TrustDomains {
    TrustDomains {
        own: Some("cluster.local".to_owned()),
        aliases: vec!["old.example".to_owned()],
    }
}

impl Proxy {
    fn start(ca: &Ca) -> Self {
        let readiness = Readiness::default();
        let records = Records::new(Workload::default(), None);
        let metrics = Arc::new(Metrics::new(Arc::new(records)));
        let (sender, roots) = watch::channel(None);
        let credentials = start(Settings {
            server: ca.connect(),
            trust_domains: trust_domains(),
            roots,
            metrics: Arc::clone(&metrics),
            identified: readiness.register("a certificate"),
            for_envoy: false,
            now,
        });
        Self {
            credentials,
            readiness,
            metrics,
            roots: sender,
        }
    }

    /// Those in use.
    fn current(&self) -> Option<Arc<Credentials>> {
        self.credentials.borrow().clone()
    }

    /// The next ones.
    async fn next(&mut self) -> Arc<Credentials> {
        self.credentials.changed().await.unwrap();
        let current = self.credentials.borrow_and_update().clone();
        current.unwrap()
    }

    fn is_ready(&self) -> bool {
        self.readiness.missing().is_empty()
    }

    fn count(&self, result: &str) -> u64 {
        let start = format!("pillion_certificate_requests_total{{result=\"{result}\"}} ");
        let text = self.metrics.encode();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(&start)).unwrap();
        value.parse().unwrap()
    }
}

async fn pass(time: Duration) {
    sleep(time.try_into().unwrap()).await;
}

/// What one question gives.
async fn ask(ca: &Ca) -> Result<Answer, Failure> {
    let question = Question {
        server: ca.connect(),
        identity: None,
        trust_domains: trust_domains(),
        for_envoy: false,
        now,
    };
    question.ask().await
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_ready_once_it_has_a_certificate() {
    let ca = Ca::start("ready", now).await;
    let mut proxy = Proxy::start(&ca);
    assert_eq!(proxy.readiness.missing(), ["a certificate"]);
    assert!(proxy.current().is_none());
    let credentials = proxy.next().await;
    assert!(proxy.is_ready());
    assert_eq!(credentials.generation, 1);
    assert!(credentials.for_envoy.is_none());
    let id = credentials.identity.id().as_str();
    assert_eq!(id, "spiffe://cluster.local/ns/shop/sa/web");
    let trusted: Vec<_> = credentials.trust.trust_domains().collect();
    assert_eq!(trusted, ["cluster.local", "old.example"]);
    let root = Bundle::from_pem(ca.authority.certificate()).unwrap();
    assert_eq!(*credentials.trust.roots(), root);
    assert_eq!(ca.tokens(), [Some("Bearer first".to_owned())]);
    assert_eq!(proxy.count("issued"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_renewed_after_half_of_its_life_with_the_token_of_then() {
    let ca = Ca::start("renewal", now).await;
    let mut proxy = Proxy::start(&ca);
    let first = proxy.next().await;
    ca.write_token("second");
    pass(Duration::minutes(24 * 60 * 45 / 100 - 1)).await;
    assert_eq!(ca.asked(), 1);
    let second = proxy.next().await;
    assert!(now() < first.identity.validity().not_before + Duration::hours(14));
    assert_eq!(second.generation, 2);
    assert_ne!(first.identity.serial(), second.identity.serial());
    assert_eq!(*first.trust, *second.trust);
    let tokens = ["Bearer first", "Bearer second"].map(|it| Some(it.to_owned()));
    assert_eq!(ca.tokens(), tokens);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_a_minute_is_renewed_within_it() {
    let ca = Ca::start("minute", now).await;
    ca.play(Play::Issue("cluster.local", Duration::minutes(1)));
    let mut proxy = Proxy::start(&ca);
    let first = proxy.next().await;
    let second = proxy.next().await;
    let (renewed, expires) = (now(), first.identity.validity().not_after);
    assert!(expires - renewed > Duration::seconds(25), "{renewed}");
    assert!(second.identity.validity().not_after > expires);
}

#[tokio::test(start_paused = true)]
async fn the_old_certificate_stays_while_the_ca_is_away() {
    let ca = Ca::start("away", now).await;
    ca.play(Play::Issue("cluster.local", Duration::hours(1)));
    let mut proxy = Proxy::start(&ca);
    let first = proxy.next().await;
    ca.play(Play::Refuse(Status::unavailable("restarting")));
    // It expires meanwhile.
    pass(Duration::hours(2)).await;
    let asked = ca.asked();
    assert!(asked > 100, "{asked}");
    assert!(proxy.is_ready());
    assert!(Arc::ptr_eq(&proxy.current().unwrap(), &first));
    assert_eq!(proxy.count("unreachable"), asked as u64 - 1);
    ca.play(Play::Issue("cluster.local", Duration::days(1)));
    let second = proxy.next().await;
    assert_eq!(second.generation, 2);
    assert!(!second.identity.validity().has_ended(now()));
    assert!(proxy.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_ca_is_asked_again_soon_and_then_less_often() {
    let ca = Ca::start("backoff", now).await;
    ca.play(Play::Refuse(Status::resource_exhausted("slowly")));
    let proxy = Proxy::start(&ca);
    pass(Duration::seconds(2)).await;
    assert!((3..=6).contains(&ca.asked()), "{}", ca.asked());
    pass(Duration::minutes(10)).await;
    assert!((20..=60).contains(&ca.asked()), "{}", ca.asked());
    assert!(!proxy.is_ready());
    assert_eq!(proxy.count("refused"), ca.asked() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_has_the_certificate_renewed_within_a_minute() {
    let ca = Ca::start("clock", now).await;
    let mut proxy = Proxy::start(&ca);
    proxy.next().await;
    pass(Duration::minutes(5)).await;
    let passed = Instant::now();
    set_clock(now() + Duration::hours(20));
    proxy.next().await;
    assert!(passed.elapsed().as_secs() <= 61);
}

#[tokio::test(start_paused = true)]
async fn new_roots_are_trusted_without_another_certificate() {
    let ca = Ca::start("roots", now).await;
    let mut proxy = Proxy::start(&ca);
    let first = proxy.next().await;
    let authority = Authority::generate("new", now(), Duration::days(2)).unwrap();
    let (old, new) = (ca.authority.certificate(), authority.certificate());
    let both = Bundle::from_pem(&format!("{old}{new}")).unwrap();
    proxy.roots.send_replace(Some(Arc::new(both.clone())));
    let second = proxy.next().await;
    assert!(Arc::ptr_eq(&first.identity, &second.identity));
    assert_eq!((second.generation, second.trust.roots()), (2, &both));
    assert_eq!(ca.asked(), 1);
    // They stand in for those of later answers, until they have expired.
    let third = proxy.next().await;
    assert_eq!((third.generation, third.trust.roots()), (3, &both));
    assert_eq!(ca.asked(), 2);
    let mut fourth = proxy.next().await;
    while fourth.trust.roots().len() == 2 {
        fourth = proxy.next().await;
    }
    let left = Bundle::from_pem(old).unwrap();
    assert_eq!(*fourth.trust.roots(), left);
    // Without any in the configuration, those of the last answer count.
    proxy.roots.send_replace(Some(Arc::new(both)));
    proxy.roots.send_replace(None);
    pass(Duration::seconds(1)).await;
    assert_eq!(*proxy.current().unwrap().trust.roots(), left);
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_without_a_ca_is_not_waited_for() {
    let ca = Ca::start("without", now).await;
    ca.play(Play::Refuse(Status::unimplemented("what?")));
    let mut proxy = Proxy::start(&ca);
    pass(Duration::milliseconds(100)).await;
    assert!(!proxy.is_ready());
    pass(Duration::seconds(10)).await;
    assert!(proxy.is_ready() && proxy.current().is_none());
    // It may be updated.
    ca.play(Play::Issue("cluster.local", Duration::days(1)));
    assert_eq!(proxy.next().await.generation, 1);
}

#[tokio::test]
async fn answers_that_are_of_no_use_are_refused_with_a_reason() {
    let ca = Ca::start("garbage", now).await;
    let root = || ca.authority.certificate().to_owned();
    for (play, reason) in [
        (Play::AnotherKey, "does not match the certificate"),
        (Play::Answer(vec![]), "it has 0 elements"),
        (Play::Answer(vec![root()]), "it has 1 elements"),
        (Play::Answer(vec![root(); 17]), "it has 17 elements"),
        (
            Play::Answer(vec![root(), "garbage".to_owned()]),
            "its element 1 has no certificates",
        ),
        (
            Play::Answer(vec!["-----BEGIN CERTIFICATE-----".to_owned(), root()]),
            "its element 0 has no certificates",
        ),
        // A CA is no workload.
        (
            Play::Answer(vec![root(), root()]),
            "can't be this workload's",
        ),
        (
            Play::Answer(vec![root(), "a".repeat(256 * 1024)]),
            "decoded message length too large",
        ),
        (
            Play::IssueFrom(now() + Duration::minutes(30)),
            "the clock of this node is behind",
        ),
        (
            Play::IssueFrom(now() - Duration::hours(25)),
            "its certificate expired at",
        ),
        (
            Play::Issue("other.example", Duration::days(1)),
            "is for spiffe://other.example/ns/shop/sa/web, and this workload's trust domain is \"cluster.local\"",
        ),
    ] {
        ca.play(play);
        let failure = ask(&ca).await.unwrap_err().to_string();
        assert!(failure.contains(reason), "{reason}: {failure}");
    }
}

#[tokio::test]
async fn a_clock_that_is_a_little_behind_is_no_reason_to_be_without() {
    let ca = Ca::start("behind", now).await;
    ca.play(Play::IssueFrom(now() + Duration::minutes(15)));
    let answer = ask(&ca).await.unwrap();
    assert!(!answer.identity.validity().has_begun(now()));
    ca.play(Play::Issue("old.example", Duration::days(1)));
    assert_eq!(
        ask(&ca).await.unwrap().identity.id().trust_domain(),
        "old.example"
    );
}

#[tokio::test]
async fn a_refused_token_comes_with_advice() {
    let ca = Ca::start("refused", now).await;
    ca.play(Play::Refuse(Status::unauthenticated(
        "the token has expired",
    )));
    let failure = ask(&ca).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "its CA answers Unauthenticated: the token has expired"
    );
    assert!(failure.advice().contains("the audience istio-ca"));
    ca.play(Play::Refuse(Status::new(
        Code::ResourceExhausted,
        "x".repeat(9_000),
    )));
    let failure = ask(&ca).await.unwrap_err();
    assert!(failure.to_string().len() < 600);
    assert!(failure.advice().contains("too many certificates"));
    ca.remove_token();
    let failure = ask(&ca).await.unwrap_err();
    assert!(failure.to_string().starts_with("the token can't be read"));
    assert!(failure.advice().contains("istio-token"));
}

#[tokio::test]
async fn without_a_token_the_present_certificate_proves_who_asks() {
    let authority = Authority::generate("ca", now(), Duration::days(9)).unwrap();
    let by_token = Ca::start_with("token", now, authority.clone(), false).await;
    let mutual = Ca::start_with("mutual", now, authority, true).await;
    let identity = Arc::new(ask(&by_token).await.unwrap().identity);
    assert!(matches!(
        ask(&mutual).await,
        Err(Failure::Connect(_) | Failure::Status(_))
    ));
    mutual.remove_token();
    let question = |identity: &Arc<_>| Question {
        server: mutual.connect(),
        identity: Some(Arc::clone(identity)),
        trust_domains: trust_domains(),
        for_envoy: false,
        now,
    };
    let answer = question(&identity).ask().await.unwrap();
    assert_ne!(answer.identity.serial(), identity.serial());
    assert_eq!(mutual.tokens(), [None]);
    // One that has expired proves nothing.
    set_clock(now() + Duration::days(2));
    let failure = question(&identity).ask().await.unwrap_err();
    assert!(failure.to_string().starts_with("the token can't be read"));
}
