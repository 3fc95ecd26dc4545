//! A control group of the kernel's: what is in it is limited, and goes with it.

use std::env;
use std::fs;
use std::process::Command;

use uringbench_machine::cgroup::{LimitedGroup, cpu_quota, processes};

#[test]
fn a_group_limits_its_process_and_goes_with_it() {
    let name = format!("uringbench-test-{}", std::process::id());
    let group = match LimitedGroup::create(&name, Some(0.5), Some(1 << 28)) {
        Ok(group) => group,
        Err(why) => {
            eprintln!("SKIP: {why}");
            assert!(env::var_os("CI").is_none(), "CI must have control groups");
            return;
        }
    };
    let mut child = Command::new("sleep").arg("1000").spawn().expect("it starts");
    for folder in group.folders() {
        fs::write(folder.join("cgroup.procs"), child.id().to_string()).expect("a member");
    }
    let folders = group.folders().to_vec();
    assert!(folders.iter().all(|folder| processes(folder).contains(&child.id())));
    assert_eq!(cpu_quota(&child.id().to_string()), Some(0.5));
    assert_eq!(group.killed_for_memory(), 0);
    drop(group);
    child.wait().expect("it was killed");
    assert!(folders.iter().all(|folder| !folder.exists()));
}
