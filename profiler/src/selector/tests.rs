//! Names and groups against made-up trees, and real processes found in the real `/proc`.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn shell(script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::null());
        Self(command.spawn().expect("a shell"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for pid in processes::descendants(&[self.0.id()]) {
            let pid = rustix::process::Pid::from_raw(pid as i32).expect("not zero");
            // Already gone is as good.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// Waits for something that must happen, however slow the machine is.
fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < patience, "{what} did not happen within 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_text_is_a_pid_a_name_or_a_group() {
    let parse = |text: &str| text.parse::<Selector>();
    assert_eq!(parse("123"), Ok(Selector::Pid(123)));
    assert_eq!(parse(" nginx "), Ok(Selector::Name("nginx".to_owned())));
    assert_eq!(parse("7zip"), Ok(Selector::Name("7zip".to_owned())));
    assert_eq!(parse("cgroup:a/b"), Ok(Selector::Cgroup("a/b".into())));
    assert_eq!(parse(""), Err(SelectorError::Nothing));
    assert_eq!(parse("cgroup: "), Err(SelectorError::Nothing));
    for text in ["0", "99999999999", "4194305"] {
        assert_eq!(parse(text), Err(SelectorError::NotAPid(text.to_owned())));
    }
}

#[test]
fn a_process_has_the_names_a_person_would_use() {
    let names = |comm: &str, executable: &str, line: &str| {
        let arguments: Vec<_> = line.split('|').map(str::to_owned).collect();
        names::from_parts(Some(comm), Some(Path::new(executable)), &arguments)
    };
    let cases = [
        ("nginx", "/usr/sbin/nginx", "nginx: worker process", "nginx"),
        ("my-long-server-", "/opt/my-long-server-name", "./x", "my-long-server-name"),
        ("x", "/opt/server (deleted)", "x", "server"),
        ("uvicorn", "/usr/bin/python3.11", "/usr/bin/python3|/venv/bin/uvicorn|a:b", "uvicorn"),
        ("python3", "/usr/bin/python3.11", "python3|-X|dev|-u|-m|uvicorn|a:b", "uvicorn"),
        ("python3", "/usr/bin/python3.11", "python3|-W|once|/srv/app.py|--port|1", "app"),
        ("node", "/usr/bin/node", "node|--require|dotenv|dist/main.js", "main"),
        ("java", "/usr/bin/java", "java|-Xmx1g|-cp|a:b|com.acme.Main|x", "Main"),
        ("java", "/usr/bin/java", "java|-jar|/srv/shop.jar", "shop"),
        ("ruby", "/usr/bin/ruby3.1", "ruby|-I|lib|bin/puma", "puma"),
    ];
    for (comm, executable, line, wanted) in cases {
        let found = names(comm, executable, line);
        assert!(found.iter().any(|name| name == wanted), "{line}: {found:?}");
    }
    // Neither an option's value nor a program's text nor an argument of the program is a name.
    for (line, unwanted) in [
        ("python3|-X|dev|app.py", "dev"),
        ("python3|-c|uvicorn", "uvicorn"),
        ("python3|app.py|uvicorn", "uvicorn"),
    ] {
        let found = names("python3", "/usr/bin/python3", line);
        assert!(!found.iter().any(|name| name == unwanted), "{line}: {found:?}");
    }
    let plain = names("cat", "/bin/cat", "cat|uvicorn");
    assert!(!plain.contains(&"uvicorn".to_owned()), "{plain:?}");
}

#[test]
fn names_are_alike_when_one_holds_the_other_or_a_letter_is_wrong() {
    let near = |known: &str, name: &str| names::nearest(&[known.to_owned()], name).is_some();
    assert!(near("nginx", "ngimx") && near("nginx", "NGINX") && near("postgres", "postgresql"));
    assert!(!near("nginx", "redis") && !near("sh", "zh") && !near("a", "b"));
}

#[test]
fn a_tree_is_found_by_pid_to_its_last_grandchild() {
    let running = Running::shell("sh -c 'sleep 1000 & sleep 1000 & wait' & read stop");
    let found = until("four processes", || {
        let found = resolve(&Selector::Pid(running.pid())).expect("it runs");
        (found.members.len() == 4).then_some(found)
    });
    assert_eq!(found.roots, [running.pid()]);
    assert!(found.members.contains(&running.pid()) && found.cgroup.is_none());
    assert_eq!(processes::threads(running.pid()), [running.pid()]);
    // Of the tree above, this process is never a part.
    let above = resolve(&Selector::Pid(std::os::unix::process::parent_id()));
    assert!(!above.expect("the parent runs").members.contains(&std::process::id()));
}

#[test]
fn a_process_is_found_by_the_name_of_its_file_and_missed_by_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = format!("uringbench-target-{}", std::process::id());
    let file = folder.path().join(&name);
    fs::copy("/bin/sleep", &file).expect("a copy");
    let mut running = Running(Command::new(&file).arg("1000").spawn().expect("the copy runs"));
    let found = until("the name", || resolve(&Selector::Name(name.clone())).ok());
    assert_eq!((found.roots, found.members), (vec![running.pid()], vec![running.pid()]));

    let wrong = Selector::Name(name.replace("target", "tarket"));
    let error = resolve(&wrong).expect_err("a letter is wrong").to_string();
    // Other processes may have similar names too.
    let similar = error.split_once("similar ones are ").expect("some are").1;
    assert!(similar.contains(&format!("{name} ({})", running.pid())), "{error}");
    let error = resolve(&Selector::Name("no such name at all".to_owned())).expect_err("none");
    assert!(error.to_string().ends_with("give its PID, or a name that `ps -e` lists"), "{error}");

    running.0.kill().expect("it runs");
    // A zombie has ended.
    let gone = until("its end", || resolve(&Selector::Pid(running.pid())).err());
    assert_eq!(gone, SelectorError::NoSuchProcess(running.pid()));
    let text = gone.to_string();
    assert!(text.contains("docker inspect -f '{{.State.Pid}}' NAME"), "{text}");
}

#[test]
fn a_kernel_thread_is_found_by_its_name() {
    let name = "kthreadd";
    if fs::read_to_string("/proc/2/comm").is_ok_and(|comm| comm.trim_end() == name) {
        let found = resolve(&Selector::Name(name.to_owned())).expect("it never ends");
        assert!(found.roots.contains(&2) && found.members.len() > 1, "{found:?}");
    } else {
        eprintln!("NOT CHECKED: names of kernel threads: this PID namespace has none");
    }
}

#[test]
fn we_and_who_started_us_are_not_the_target() {
    let own = fs::read_to_string("/proc/self/comm").expect("a name");
    let own = Selector::Name(own.trim_end().to_owned());
    let found = resolve(&own).map_or_else(|_| Vec::new(), |found| found.members);
    assert!(!found.contains(&std::process::id()), "{found:?}");
    let pid = std::process::id();
    assert_eq!(resolve(&Selector::Pid(pid)), Err(SelectorError::Ourselves(pid)));
    let table = processes::table();
    let line = lineage(&table, pid);
    assert!(line.contains(&pid) && line.contains(&table[&pid].parent));
}

/// A tree of groups as folders: path and the PIDs in it.
fn groups(tree: &[(&str, &str)]) -> tempfile::TempDir {
    let mount = tempfile::tempdir().expect("a folder");
    for (path, pids) in tree {
        let folder = mount.path().join(path);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("cgroup.procs"), pids).expect("a file");
    }
    mount
}

#[test]
fn a_group_is_found_by_path_by_hierarchy_and_by_a_containers_id() {
    let running = Running::shell("read stop");
    let pid = running.pid();
    let own = format!("0\n{pid}\n{}\n", std::process::id());
    let id = "docker-3f2a9c0d77.scope";
    let scope = format!("unified/system.slice/{id}");
    let memory = format!("memory/system.slice/{id}");
    let below = format!("{scope}/worker");
    let idle = "unified/idle.slice";
    let mount = groups(&[
        ("unified", ""),
        ("memory", ""),
        ("unified/system.slice", ""),
        (&scope, ""),
        (&below, &own),
        (&memory, &own),
        (idle, ""),
    ]);
    let mount = mount.path();
    let whole = mount.join(&scope);
    let relative = format!("system.slice/{id}");
    let slashed = format!("/{relative}");
    let paths = [whole.to_str().expect("UTF-8"), &scope, &relative, &slashed, "3f2a9c", id];
    for path in paths {
        let found = by_cgroup(mount, Path::new(path)).expect("it is there");
        assert_eq!(found.cgroup.as_deref(), Some(&*whole), "{path}");
        assert_eq!((found.roots, found.members), (vec![pid], vec![pid]), "{path}");
    }
    let empty = by_cgroup(mount, Path::new("idle.slice"));
    assert_eq!(empty, Err(SelectorError::EmptyCgroup(mount.join(idle))));
    for path in ["system.slice/none", "3f2", "../unified", "/etc", "ffff"] {
        let error = by_cgroup(mount, Path::new(path)).expect_err("it is not there");
        assert_eq!(error, SelectorError::NoSuchCgroup(path.into()));
        assert!(error.to_string().contains("/sys/fs/cgroup/system.slice/docker-ID.scope"));
    }
}

#[test]
fn two_containers_that_fit_are_named_and_one_hierarchy_is_enough() {
    let mount = groups(&[("", ""), ("a/docker-77aa11.scope", ""), ("b/docker-77aa22.scope", "")]);
    let error = by_cgroup(mount.path(), Path::new("77aa")).expect_err("two fit").to_string();
    assert!(error.contains("docker-77aa11.scope and") && error.contains("fits 2"), "{error}");
    let one = by_cgroup(mount.path(), Path::new("77aa2")).expect_err("no process");
    assert_eq!(one, SelectorError::EmptyCgroup(mount.path().join("b/docker-77aa22.scope")));
}
