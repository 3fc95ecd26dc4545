//! Children that start and end by the hundred while the sidecar attaches: their CPU time is sampled
//! exactly once for every kind of user.

use std::path::Path;
use std::time::Duration;

use uringbench_profiler::selector::Selector;

use crate::support::program::{Program, tree_used};
use crate::support::{HZ, Recorder, Way, ordinary, skip, turn};
use crate::targets;

const FLAGS: &[&str] = &["-fomit-frame-pointer"];
/// CPU time of the children during the recording.
const BURN: Duration = Duration::from_secs(3);

#[test]
fn a_storm_of_children_is_sampled_once() {
    let _turn = turn();
    if let Some(why) = Way::System.obstacle() {
        return skip("a storm", &why);
    }
    if let Ok(burner) = targets::build("burner", FLAGS) {
        check(&burner, Way::System);
    }
}

#[test]
fn a_storm_of_children_is_sampled_once_for_an_ordinary_user() {
    let name = "storm::a_storm_of_children_is_sampled_once_for_an_ordinary_user";
    let _turn = turn();
    ordinary::with_burner(name, FLAGS, |burner| check(burner, Way::Ordinary));
}

fn check(burner: &Path, way: Way) {
    let burner = Program::burner(burner, &["storm"]);
    let pid = burner.pid();
    burner.burn(Duration::from_millis(100));
    let before = tree_used(pid);
    let recorder = Recorder::attach(Selector::Pid(pid), way, HZ);
    burner.burn(BURN);
    let all = burner.end();
    let taken = recorder.detach();
    assert_eq!(taken.figures.lost, 0, "{:?}", taken.figures);
    let used = (all - before).as_secs_f64();
    let sampled = taken.sampled().as_secs_f64();
    let burned = taken.sampled_in("burn_slices").as_secs_f64();
    // Without the kernel's part, the start and the end of children is not sampled; their work is.
    let least = if way == Way::Ordinary { 0.6 } else { 0.9 };
    let reported = format!("{sampled} s of {used} s, {burned} s of it burning");
    assert!((least * used..=1.1 * used + taken.accounted().1).contains(&sampled), "{reported}");
    assert!(burned > 0.9 * 0.6 * used, "{reported}");
    taken.expect_no_thread_twice();
    // Two workers live 200 ms each; children that burn 3 ms start one after another.
    let (workers, children) = taken.lives(pid);
    assert!(workers >= 4 && children >= 40, "{workers} workers, {children} children: {reported}");
    assert!(taken.figures.unwound.unwrap() > 0.98, "{:?}", taken.figures);
}
