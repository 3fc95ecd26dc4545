//! Plans that are invalid, and why.

use super::*;
use std::path::PathBuf;
use std::sync::Arc;

use crate::flow::script::{FlowReplay, Script};
use crate::http::request::RequestParts;
use crate::rate::Rate;
use crate::rate_profile::Segment;

const PEER: ([u8; 4], u16) = ([127, 0, 0, 1], 80);

fn plain() -> Plan {
    let request = RequestTemplate::build(RequestParts::new("GET", "a", "/")).unwrap();
    Plan::plain(PEER.into(), request)
}

fn refused(change: impl FnOnce(&mut Parts)) -> PlanError {
    plain().with(change).expect_err("a value out of its range")
}

fn script(users: Option<u32>) -> Script {
    Script::new(Default::default(), Vec::new(), 0, users)
}

fn with_script(script: Script, load: Load) -> Result<Plan, PlanError> {
    plain().with(|plan| {
        plan.workload = Workload::Script(Arc::new(script));
        plan.load = load;
    })
}

#[test]
fn the_least_plan_is_one() {
    assert!(Plan::new(plain().0).is_ok());
}

#[test]
fn values_out_of_their_ranges_make_no_plan() {
    assert_eq!(refused(|plan| plan.transport.carrier = Carrier::ring(vec![])), PlanError::NoPeer);
    assert_eq!(refused(|plan| plan.transport.cpus.clear()), PlanError::NoCpu);
    let batches_without_ring = refused(|plan| {
        plan.transport.wait = WaitMode::Batch;
        plan.transport.carrier = Carrier::Monoio(plan.transport.carrier.addresses().to_vec());
    });
    assert_eq!(batches_without_ring, PlanError::Batch);
    assert_eq!(
        refused(|plan| plan.transport.cpus = vec![0, 1]),
        PlanError::Connections { cpus: 2, connections: 1 }
    );
    assert_eq!(
        refused(|plan| plan.transport.connections.requests = Some(0)),
        PlanError::Zero("the number of requests per connection")
    );
    for window in [Limit::Duration(Nanos::ZERO), Limit::Requests(0), Limit::Either(Nanos(1), 0)] {
        let why = refused(|plan| plan.limits.window = window);
        assert!(matches!(why, PlanError::Zero(_)), "{why}");
    }
    for timeout in [Nanos(999_999), Nanos(TIMEOUT_MAX.0 + 1)] {
        let why = refused(|plan| plan.limits.timeout = timeout);
        assert_eq!(why, PlanError::Timeout(timeout));
    }
    for slice in [Nanos::from_millis(9), Nanos::from_millis(300), Nanos::from_secs(2)] {
        assert_eq!(refused(|plan| plan.observe.slice = slice), PlanError::Slice(slice));
    }
    for pipeline in [0, PIPELINE_MAX + 1] {
        let why = refused(|plan| plan.workload.set_pipeline(pipeline));
        assert_eq!(why, PlanError::Pipeline(pipeline));
    }
}

#[test]
fn connections_come_from_addresses_that_reach_the_target() {
    let source: IpAddr = "::1".parse().unwrap();
    let from = |sources, version: Option<ProxyVersion>| {
        let peers = vec![PEER.into()];
        let route = match version {
            None => Route::Tcp { peers, sources },
            Some(version) => Route::Proxied { peers, sources, version },
        };
        let carrier = Carrier::new(Engine::Ring, route, Closing::Fin, None).unwrap();
        plain().with(|plan| plan.transport.carrier = carrier).map(|_| ())
    };
    assert_eq!(from(vec![source], None), Err(PlanError::Source(source)));
    assert_eq!(from(vec![], Some(ProxyVersion::V1)), Err(PlanError::NoSource));
    assert_eq!(from(vec!["127.0.0.2".parse().unwrap()], Some(ProxyVersion::V2)), Ok(()));
}

#[test]
fn a_runtime_is_told_apart_by_what_it_cannot_do() {
    let tcp = |sources| Route::Tcp { peers: vec![PEER.into()], sources };
    let unix = Route::Unix(PathBuf::from("/s"));
    let cases = [
        (tcp(vec!["127.0.0.2".parse().unwrap()]), Closing::Fin, None, "choose the addresses"),
        (tcp(vec![]), Closing::Rst, None, "close connections by RST"),
        (unix.clone(), Closing::Fin, None, "connect to a Unix socket"),
        (tcp(vec![]), Closing::Fin, Some(1), "read slowly"),
    ];
    for (route, closing, read_rate, part) in cases {
        let why = Carrier::new(Engine::Monoio, route.clone(), closing, read_rate).unwrap_err();
        assert!(why.to_string().contains(part), "{why}");
        assert!(why.to_string().contains("`--engine monoio`"), "{why}");
        let ring = Carrier::new(Engine::Ring, route, closing, read_rate);
        assert_eq!(ring.map(|carrier| carrier.engine()), Ok(Engine::Ring));
    }
    let plain = Carrier::new(Engine::TokioUring, tcp(vec![]), Closing::Fin, None).unwrap();
    assert_eq!(plain, Carrier::TokioUring(vec![PEER.into()]));
    let local = Carrier::new(Engine::Ring, unix, Closing::Fin, None).unwrap();
    assert_eq!(local.peers(), [Peer::Unix("/s".into())]);
}

#[test]
fn users_replays_and_loads_belong_together() {
    let rate = Rate::per_second(10).unwrap();
    let open = || Load::open(rate, Arrivals::Constant);
    let replay = || FlowReplay { times: vec![Nanos(1)].into(), flows: None };
    assert!(with_script(script(Some(1)), Load::Closed).is_ok());
    assert!(with_script(script(None), open()).is_ok());
    assert!(with_script(script(None).replaying(replay()), Load::Replay).is_ok());
    let refused = |script, load| with_script(script, load).unwrap_err();
    assert_eq!(refused(script(None), Load::Closed), PlanError::Users);
    assert_eq!(refused(script(Some(1)), open()), PlanError::Users);
    assert_eq!(refused(script(None), Load::Replay), PlanError::Replay);
    assert_eq!(refused(script(None).replaying(replay()), open()), PlanError::Replay);
    assert_eq!(
        refused(script(Some(2)).with_own_connections(), Load::Closed),
        PlanError::OwnConnections { users: 2, connections: 1 }
    );
    assert_eq!(self::refused(|plan| plan.load = Load::Replay), PlanError::Replay);
    let segments = |segments| Load::Open {
        rate,
        arrivals: Arrivals::Constant,
        course: Course::Segments(segments),
    };
    let still = Segment::even(Nanos::ZERO, Some(rate));
    let rest = Segment::even(Nanos::SECOND, None);
    for wrong in [vec![], vec![still], vec![rest]] {
        let why = self::refused(|plan| plan.load = segments(wrong));
        assert_eq!(why, PlanError::Segments);
    }
}
