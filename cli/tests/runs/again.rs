//! `uringbench run --again`: a run repeated from its folder sends the same bytes, and a stored plan
//! contains no secret.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::recording::Recording;
use crate::support::run::{Finished, Run};
use crate::support::socket_server::SocketServer;

/// The folder in which a run stored its results.
fn stored(run: &Finished) -> PathBuf {
    let file = run.file("plan.json");
    let mode = fs::metadata(&file).expect("it was just found").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "bodies and URLs stand in it as they are");
    file.parent().expect("it lies in a folder").to_owned()
}

fn again(run: &Finished) -> Run {
    Run::json("").arg("--again").arg(stored(run).display().to_string())
}

/// All requests that the server received.
fn sent(server: &Recording) -> Vec<Vec<u8>> {
    server.asked().into_iter().map(|asked| asked.bytes).collect()
}

/// The requests of the first run and of the second.
fn sent_twice(server: &Recording, first: &Finished, second: Run) -> [Vec<Vec<u8>>; 2] {
    let before = sent(server);
    let second = second.finish().expect_code(0);
    let (planned, repeated) = (first.document(), second.document());
    repeated.expect(repeated.at("plan") == planned.at("plan"), "the same plan");
    assert!(second.files("plan.json").len() == 1, "it can be repeated as well");
    let after = sent(server).split_off(before.len());
    [before, after]
}

#[test]
fn a_url_is_asked_for_with_the_same_bytes() {
    for load in ["-c 3 -p 2 -n 60", "-c 2 -R 400 --arrivals poisson -n 60"] {
        let server = Recording::good();
        let args =
            format!("{load} --timeout 5s --body-size 300 -H X-A:b {}/p?q=1", server.target());
        let first = Run::json(&args).finish().expect_code(0);
        let [before, after] = sent_twice(&server, &first, again(&first));
        assert_eq!((before.len(), &before), (60, &after), "{load}");
    }
}

const SHOP: &str = r#"
[load]
users = 1
connections = 1
[data.people]
file = "people.csv"
order = "random"
[[flow]]
name = "browse"
[[flow.step]]
name = "look"
method = "POST"
path = "/{{people.name}}/{{seq}}"
query = { id = "{{uuid}}", of = "{{int 1 1000}}" }
headers = { X-Env = "{{env AGAIN_WORD}}" }
body = { json = '{"of":"{{people.name}}","word":"{{env AGAIN_WORD}}"}' }
"#;

/// The shell command that sets the variable.
const WITH_WORD: &str = "AGAIN_WORD='pa+ss word' exec \"$@\"";

#[test]
fn a_scenario_has_the_same_rows_and_values_without_its_files() {
    let server = Recording::good();
    let first = Run::scenario("--warmup 0s -d 300ms", &server.target(), SHOP)
        .file("people.csv", "name\nAda\nBob\n\"C, d\"\nEve\n")
        .through("", WITH_WORD)
        .finish()
        .expect_code(0);
    let plan = fs::read_to_string(first.file("plan.json")).expect("it was just found");
    assert!(plan.contains("C, d") && !plan.contains("ss word"), "rows, and no secret: {plan}");
    for file in ["people.csv", "shop.toml"] {
        fs::remove_file(first.folder().join(file)).expect("the folder is ours");
    }
    let [before, after] = sent_twice(&server, &first, again(&first).through("", WITH_WORD));
    let both = before.len().min(after.len());
    assert!(both > 5, "{both} requests");
    assert_eq!(before[..both], after[..both]);
    let without = again(&first).through("", "unset AGAIN_WORD; exec \"$@\"").finish();
    without.expect_code(2).expect_line(&["without its secrets", "variable AGAIN_WORD"]);
}

#[test]
fn a_websocket_is_opened_and_spoken_to_in_the_same_way() {
    let server = SocketServer::echo();
    let args = format!("-c 1 -n 20 --echo --subprotocol a --body-size 90 {}", server.url());
    let first = Run::json(&args).finish().expect_code(0);
    let said = server.last();
    let second = again(&first).finish().expect_code(0);
    second.document().expect_only(&["ok"]);
    let openings = server.openings();
    assert_eq!((openings.len(), &openings[0]), (2, &openings[1]));
    assert_eq!((said.payload, said.opcode), (server.last().payload, server.last().opcode));
    assert_eq!(server.messages(), 40);
}

#[test]
fn secrets_are_given_again() {
    let server = Recording::good();
    let with_token = |run: Run| run.arg("-H").arg("Authorization: Bearer t0ps3cret");
    let first = with_token(Run::json(&format!("-c 1 -n 5 {}", server.target())));
    let first = first.finish().expect_code(0);
    for name in ["plan.json", "run.json"] {
        let text = fs::read_to_string(first.file(name)).expect("it was just found");
        assert!(!text.contains("t0ps3cret"), "{name}: {text}");
    }
    again(&first).finish().expect_code(2).expect_line(&["-H 'Authorization: …'", "again"]);
    let [before, after] = sent_twice(&server, &first, with_token(again(&first)));
    assert_eq!(before, after);
    let more = with_token(again(&first)).arg("-H").arg("X-More: 1").finish();
    more.expect_code(2).expect_line(&["X-More", "--again repeats a run as it was"]);
}

#[test]
fn what_cannot_be_repeated_is_said_in_one_line() {
    let server = Recording::good();
    let first = Run::json(&format!("-c 1 -n 5 {}", server.target())).finish().expect_code(0);
    again(&first).arg("-c").arg("2").finish().expect_code(2).expect_line(&["--again", "-c"]);
    Run::json("--again nowhere")
        .finish()
        .expect_code(2)
        .expect_line(&["--again", "no run `nowhere`"]);
    let file = first.file("plan.json");
    let text = fs::read_to_string(&file).expect("it was just found");
    let newer = text.replacen("uringbench.plan/1", "uringbench.plan/2", 1);
    fs::write(&file, newer).expect("the folder is ours");
    again(&first).finish().expect_code(2).expect_line(&["newer uringbench", "update this one"]);
    fs::write(&file, text.replacen("\"timeout\":", "\"timeless\":", 1))
        .expect("the folder is ours");
    again(&first).finish().expect_code(2).expect_line(&["damaged", "type the command"]);
    assert_eq!(server.count(), 5, "nothing was started");
}
