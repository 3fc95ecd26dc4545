//! Several experiments in one process: each has its own result, and one without a result does not
//! affect the others.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::plan::{Limit, Objective, Plan, Target};
use uringbench_core::record::Interval;
use uringbench_core::time::Nanos;
use uringbench_document::Document;
use uringbench_engine::Control;
use uringbench_experiment::{
    Experiment, ExperimentError, ExperimentObserver, Gate, ResultPlace, Secrets,
};
use uringbench_machine::{cpus, target};
use uringbench_reference::{ServeOptions, Server};
use uringbench_store::{HistoryPlace, StoredRun};

const REQUESTS: u64 = 2_000;

/// The reference target, running until the process ends.
fn serve() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ServeOptions { listen, cpu: None, connections: 64 };
        let server = Server::bind(&options).expect("a free port and a ring");
        sender.send(server.address().expect("it listens")).expect("the test waits");
        server.serve().expect("it serves");
    });
    receiver.recv().expect("it is bound")
}

fn experiment(address: SocketAddr, objective: Option<&str>, root: &Path) -> Experiment {
    let authority = address.to_string();
    let request = RequestTemplate::build(RequestParts::new("GET", &authority, "/a?b"));
    let plan = Plan::plain(address, request.expect("a request")).with(|plan| {
        plan.target = Target { url: format!("http://{authority}/a?b"), method: "GET".to_owned() };
        plan.transport.cpus = cpus::allowed().iter().take(1).collect();
        plan.transport.connections.count = 4;
        plan.limits.window = Limit::Requests(REQUESTS);
        plan.limits.warmup = Nanos::ZERO;
        plan.observe.objectives = objective
            .map(|text| Objective {
                limit: text.parse().expect("an objective"),
                flow: None,
                step: None,
            })
            .into_iter()
            .collect();
    });
    let plan = plan.expect("a plan");
    Experiment {
        target: target::locate(&plan.peers()),
        plan,
        name: None,
        tags: Vec::new(),
        profile: None,
        chaos: None,
        secrets: Secrets::default(),
        keeps_secrets: false,
        place: ResultPlace::Below(root.to_path_buf()),
        history: Some(HistoryPlace { root: root.to_path_buf(), is_made: true, database: None }),
    }
}

/// Counts the notifications.
#[derive(Default)]
struct Shown {
    completed: u64,
    ends: usize,
}

impl ExperimentObserver for Shown {
    fn interval(&mut self, interval: &Interval, _left: Option<Nanos>) {
        self.completed += interval.completed;
    }

    fn load_ended(&mut self) {
        self.ends += 1;
    }
}

fn stored(folder: &Path) -> Document {
    StoredRun::open(folder).expect("a stored run").document
}

#[test]
fn every_run_of_a_process_has_a_result_of_its_own() {
    let address = serve();
    let root = tempfile::tempdir().expect("a folder");
    let mut folders: Vec<PathBuf> = Vec::new();
    // The target answers 404 to this path, so no request succeeds.
    for objective in [None, Some("errors<1%"), None] {
        let mut shown = Shown::default();
        let experiment = experiment(address, objective, root.path());
        let finished = experiment.run(&Control::new(), &mut shown).expect("a result");
        assert_eq!((shown.completed, shown.ends), (REQUESTS, 1));
        assert_eq!(finished.gate() == Gate::Passed, objective.is_none(), "{:?}", finished.slo);
        let folder = finished.stored.expect("it is stored");
        assert_eq!(stored(&folder), finished.document);
        let target = root.path().join(address.to_string().replace(':', "_"));
        assert_eq!(folder.parent(), Some(&*target.join("GET_a_b")));
        assert!(!folders.contains(&folder), "{}", folder.display());
        folders.push(folder);
    }
}

#[test]
fn a_run_that_cannot_begin_leaves_nothing_behind() {
    let root = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = listener.local_addr().expect("it is bound");
    drop(listener);
    let mut shown = Shown::default();
    let place = root.path().join("run");
    let experiment = Experiment {
        place: ResultPlace::Folder(place.clone()),
        ..experiment(nobody, None, root.path())
    };
    let error = experiment.run(&Control::new(), &mut shown).expect_err("nobody listens");
    assert!(matches!(error, ExperimentError::NotBegun(_)), "{error:?}");
    assert_eq!((shown.ends, place.exists()), (1, false));

    std::fs::write(&place, "a file").expect("it can be written");
    let error = experiment.run(&Control::new(), &mut shown).expect_err("a file is no folder");
    assert!(matches!(error, ExperimentError::NoFolder(_)), "{error:?}");
    assert_eq!(shown.ends, 1, "nothing was started");
}
