//! Virtual users, step by step: arrivals, requests, and departures.

use super::*;
use crate::flow::answer::Answer;
use crate::flow::capture::{Capture, Source};
use crate::flow::program::{FlowOperation, Think};
use crate::flow::script::{Data, Flow};
use crate::flow::step::Step;
use crate::flow::table::Table;
use crate::flow::template::{Marks, Template};
use crate::flow::value::{Escape, TemplateValue, Value};
use crate::http::request::RequestParts;

const START: Timestamp = Timestamp(1_000_000_000);
const PAUSE: Nanos = Nanos::from_millis(50);
const LATE: Nanos = Nanos(7);

/// A step with a request for `/name/` and these values.
fn step(name: &str, values: &[Value]) -> Step {
    let mut marks = Marks::default();
    let mut path = format!("/{name}");
    for value in values {
        path.push('/');
        path.push_str(&marks.mark(TemplateValue::new(value.clone(), Escape::Url)));
    }
    let parts = RequestParts::new("GET", "x", &path);
    Step::new(name, Template::build(parts, &marks).expect("a plain request"))
}

fn flow(name: &str, weight: u32, steps: Vec<Step>, operations: Vec<FlowOperation>) -> Flow {
    Flow { name: name.to_owned(), weight, steps, operations }
}

fn line(names: &[&str]) -> (Vec<Step>, Vec<FlowOperation>) {
    let steps = names.iter().map(|name| step(name, &[])).collect();
    (steps, (0..names.len()).map(FlowOperation::Send).collect())
}

fn none() -> Flow {
    Flow::default()
}

/// The next ready request: its user and path.
fn sent(users: &mut VirtualUsers) -> Option<(u32, String)> {
    let user = users.take()?;
    let mut out = Vec::new();
    users.render(user, 0, &mut out);
    let text = String::from_utf8(out).expect("a plain request");
    Some((user, text.split(' ').nth(1).expect("a path").to_owned()))
}

fn slot(due: Timestamp) -> Slot {
    Slot { due, measured: true }
}

fn of(parts: (Flow, Vec<Flow>, Flow), users: Option<u32>) -> VirtualUsers {
    VirtualUsers::new(Arc::new(Script::new(parts, Vec::new(), 1, users)), Share::WHOLE, 1)
}

#[test]
fn a_user_of_a_closed_loop_starts_once_goes_on_and_says_goodbye() {
    let (first, order) = line(&["login"]);
    let (steps, mut operations) = line(&["a", "b"]);
    operations.insert(1, FlowOperation::Think(Think::Constant(PAUSE)));
    operations.push(FlowOperation::Think(Think::Constant(PAUSE)));
    let (last, farewell) = line(&["logout"]);
    let parts = (
        flow("start", 0, first, order),
        vec![flow("f", 1, steps, operations)],
        flow("end", 0, last, farewell),
    );
    let mut users = of(parts, Some(1));
    let mut now = START;
    let mut seen = Vec::new();
    for round in 0..3 {
        users.wake(now);
        assert!(users.has_idle(), "round {round}");
        users.begin(slot(now), None);
        while !users.is_quiet() {
            let Some((user, path)) = sent(&mut users) else {
                now = users.wakes_at();
                users.wake(now);
                continue;
            };
            assert_eq!(users.due(user), now, "{path}");
            seen.push(path);
            users.note_sent(user, now + LATE);
            now = now + Nanos::MILLISECOND;
            users.end_step(user, true, now);
        }
        let ended = users.take_ended().expect("the flow has ended");
        // Its pauses are not included, neither before nor after its last step.
        let steps = if round == 0 { 3 } else { 2 };
        assert_eq!(ended.response, Nanos::from_millis(steps));
        assert_eq!(ended.lateness, Nanos(steps * LATE.0));
        assert_eq!((ended.end, users.take_ended()), (FlowEnd::Passed, None));
        assert!(!users.has_idle(), "the last pause is the user's");
        assert_eq!(users.wakes_at(), now + PAUSE);
        now = now + PAUSE;
    }
    assert_eq!(seen, ["/login", "/a", "/b", "/a", "/b", "/a", "/b"]);
    // A user who pauses between flows leaves without waiting for the pause's end.
    users.leave(now);
    let (user, path) = sent(&mut users).expect("a last request");
    assert_eq!((path.as_str(), users.is_quiet()), ("/logout", false));
    users.end_step(user, true, now);
    assert!(users.is_quiet() && !users.has_idle() && users.take_ended().is_none());
}

#[test]
fn users_of_an_open_loop_come_and_go_and_share_no_memory() {
    let mut keeps = step("keeps", &[Value::User]);
    let source = Source::Header("x".to_owned());
    keeps.captures.push((0, Capture { source, bytes_max: 8 }));
    let shows = step("shows", &[Value::User, Value::Capture(0)]);
    let operations = vec![FlowOperation::Send(0), FlowOperation::Send(1)];
    let parts = (none(), vec![flow("f", 1, vec![keeps, shows], operations)], none());
    let mut users = of(parts, None);
    assert!(!users.has_idle());
    for round in 0..100_u64 {
        // Three at a time, each in its own step.
        (0..3).for_each(|_| users.begin(slot(START), None));
        let asked: Vec<_> = (0..3).filter_map(|_| sent(&mut users)).collect();
        for (at, (user, path)) in asked.into_iter().rev().enumerate() {
            let number = round * 3 + 2 - at as u64;
            assert_eq!(path, format!("/keeps/{number}"));
            // The second of them finds nothing to capture, and must not see the values of others.
            let has_it = number % 3 != 1;
            let head = if has_it { format!("X: v{number}\r\n\r\n") } else { "\r\n".to_owned() };
            let answer = Answer { status: 200, head: head.as_bytes(), body: b"", body_bytes: 0 };
            let result = users.judge(user, 0, &answer);
            assert_eq!(result.is_ok(), has_it);
            users.end_step(user, result.is_ok(), START);
        }
        for _ in 0..3 {
            let (user, path) = sent(&mut users).expect("everybody goes on");
            let number = path.split('/').nth(2).expect("a number").parse::<u64>().expect("one");
            let kept = if number % 3 == 1 { String::new() } else { format!("v{number}") };
            assert_eq!(path, format!("/shows/{number}/{kept}"));
            users.end_step(user, true, START);
            let end = users.take_ended().map(|ended| ended.end);
            let expected = if number % 3 == 1 { FlowEnd::Failed } else { FlowEnd::Passed };
            assert_eq!(end, Some(expected));
        }
        assert!(users.is_quiet());
        assert!(users.users.len() <= 3, "places are taken again");
    }
}

#[test]
fn a_failed_step_ends_a_flow_where_that_was_asked_for() {
    let (mut steps, operations) = line(&["a", "b"]);
    steps[0].is_last_when_failed = true;
    let (mut first, order) = line(&["login"]);
    first[0].is_last_when_failed = true;
    let parts = (flow("start", 0, first, order), vec![flow("f", 1, steps, operations)], none());
    let mut users = of(parts, Some(1));
    let fail = |users: &mut VirtualUsers, expected: &str| {
        let (user, path) = sent(users).expect("a request");
        assert_eq!(path, expected);
        users.end_step(user, false, START + Nanos(5));
        let ended = users.take_ended().expect("it is over");
        assert_eq!((ended.end, ended.response), (FlowEnd::Failed, Nanos(5)));
        assert!(users.has_idle() && users.is_quiet());
    };
    // A user who cannot start tries again.
    for _ in 0..2 {
        users.begin(slot(START), None);
        fail(&mut users, "/login");
    }
    users.begin(slot(START), None);
    let (user, _) = sent(&mut users).expect("a request");
    users.end_step(user, true, START);
    fail(&mut users, "/a");
    users.begin(slot(START), None);
    fail(&mut users, "/a");
}

#[test]
fn what_waits_too_long_is_given_up_and_what_is_cut_short_is_told() {
    let (steps, operations) = line(&["a", "b"]);
    let parts = || (none(), vec![flow("f", 1, steps.clone(), operations.clone())], none());
    let mut users = of(parts(), None);
    users.begin(slot(START), None);
    let patience = Nanos(10);
    assert_eq!(users.take_stale(START + patience, patience), None);
    let late = START + Nanos(11);
    let user = users.take_stale(late, patience).expect("it waits too long");
    users.give_up(user, late);
    let ended = users.take_ended().expect("the flow is over");
    assert_eq!((ended.end, ended.response), (FlowEnd::Failed, Nanos(11)));

    let mut users = of(parts(), None);
    (0..2).for_each(|_| users.begin(slot(START), None));
    let (user, _) = sent(&mut users).expect("a request");
    users.end_step(user, true, START + Nanos(3));
    users.abandon(START + Nanos(8));
    let mut ends: Vec<_> = std::iter::from_fn(|| users.take_ended()).collect();
    ends.sort_by_key(|ended| ended.response);
    let ends: Vec<_> = ends.iter().map(|ended| (ended.end, ended.response)).collect();
    assert_eq!(ends, [(FlowEnd::Unfinished, Nanos(8)); 2]);
    assert!(users.is_quiet() && users.take().is_none());
}

/// The assignment of rows, over two workers.
#[test]
fn rows_and_numbers_are_dealt_out_as_they_are_asked_for() {
    let mut table = Table::new(1);
    (0..5).for_each(|row| table.push([format!("r{row}")]));
    let asked = |order: RowOrder, users: Option<u32>| {
        let cell = Value::Cell { table: 0, column: 0 };
        let all = [cell, Value::User, Value::Sequence];
        let parts = (
            none(),
            vec![flow("f", 1, vec![step("s", &all)], vec![FlowOperation::Send(0)])],
            none(),
        );
        let data = vec![Data { table: table.clone(), order }];
        let script = Arc::new(Script::new(parts, data, 0, users));
        let mut paths = Vec::new();
        for index in 0..2 {
            let mut users = VirtualUsers::new(Arc::clone(&script), Share { index, count: 2 }, 7);
            for _ in 0..40 {
                users.begin(slot(START), None);
                let (user, path) = sent(&mut users).expect("a request");
                users.end_step(user, true, START);
                let values = path.split('/').skip(2).map(str::to_owned);
                paths.push(values.collect::<Vec<_>>());
            }
        }
        paths
    };
    let column = |paths: &[Vec<String>], at: usize| {
        paths.iter().map(|values| values[at].clone()).collect::<Vec<_>>()
    };
    let shared = asked(RowOrder::Shared, Some(4));
    // All rows are used equally often, over both workers.
    for row in 0..5 {
        let count = column(&shared, 0).iter().filter(|cell| **cell == format!("r{row}")).count();
        assert_eq!(count, 16);
    }
    let mut numbers: Vec<u32> =
        column(&shared, 2).iter().map(|text| text.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..80).collect::<Vec<_>>(), "each request has a number of its own");
    for values in asked(RowOrder::User, Some(4)) {
        let user: u32 = values[1].parse().expect("a number");
        assert!(user < 4);
        assert_eq!(values[0], format!("r{}", user % 5));
    }
    let random = column(&asked(RowOrder::Random, Some(4)), 0);
    let count = |row: &str| random.iter().filter(|cell| *cell == row).count() as i32;
    // Of 80 draws 16 each; five standard deviations are 18.
    assert!((0..5).all(|row| (count(&format!("r{row}")) - 16).abs() < 18));
    assert!((0..5).all(|row| count(&format!("r{row}")) > 0));
}

#[test]
fn flows_are_mixed_by_weight_for_each_flow_anew() {
    let one = |name: &str, weight| {
        let (steps, operations) = line(&[name]);
        flow(name, weight, steps, operations)
    };
    let parts = (none(), vec![one("a", 1), one("never", 0), one("c", 3)], none());
    let mut users = of(parts, Some(1));
    let mut counts = [0_i32; 3];
    for _ in 0..10_000 {
        users.begin(slot(START), None);
        let (user, _) = sent(&mut users).expect("a request");
        users.end_step(user, true, START);
        counts[users.take_ended().expect("it has ended").flow as usize] += 1;
    }
    assert_eq!((counts[1], counts[0] + counts[2]), (0, 10_000));
    // Five standard deviations of a binomial count, and one user has them all.
    assert!((counts[0] - 2_500).abs() < 217, "{counts:?}");
}

#[test]
fn flows_that_nobody_begins_are_counted_and_leave_nobody_behind() {
    let one = |name: &str| {
        let (steps, operations) = line(&[name]);
        flow(name, 1, steps, operations)
    };
    let mut users = of((none(), vec![one("a")], one("bye")), None);
    let now = START + Nanos(9);
    assert_eq!(users.reject(slot(START), None, FlowEnd::Failed, now), 0);
    let (slot, response, end) = (slot(START), Nanos(9), FlowEnd::Failed);
    assert_eq!(
        users.take_ended(),
        Some(Ended { flow: 0, slot, done: now, response, lateness: response, end })
    );
    assert!(users.is_over() && !users.is_ready() && users.users.is_empty());
}

#[test]
fn nothing_is_over_while_somebody_may_still_say_goodbye() {
    let one = |name: &str| {
        let (steps, operations) = line(&[name]);
        flow(name, 1, steps, operations)
    };
    let mut users = of((none(), vec![one("a")], one("bye")), Some(1));
    users.begin(slot(START), None);
    let (user, _) = sent(&mut users).expect("a request");
    users.end_step(user, true, START);
    assert!(users.is_quiet() && !users.is_over());
    users.leave(START);
    assert!(!users.is_over());
    let (user, path) = sent(&mut users).expect("a farewell");
    assert_eq!(path, "/bye");
    users.end_step(user, true, START);
    assert!(users.is_over());
}

/// The memory of a million users before their first answer.
#[test]
fn a_million_users_take_a_hundred_bytes_each() {
    let (steps, operations) = line(&["a"]);
    let users = of((none(), vec![flow("f", 1, steps, operations)], none()), Some(1_000_000));
    let bytes = users.users.capacity() * size_of::<User>()
        + users.idle.capacity() * size_of::<u32>()
        + users.captures.capacity() * size_of::<Vec<u8>>()
        + users.rows.capacity() * size_of::<usize>();
    // One capture in this script; each table would add 8.
    assert!(bytes <= (100 + 24) * 1_000_000, "{bytes}");
    assert_eq!(users.targets.capacity(), 0, "no step keeps cookies");
}

fn of_own(parts: (Flow, Vec<Flow>, Flow), places: u32) -> VirtualUsers {
    let script = Script::new(parts, Vec::new(), 1, None).with_own_connections();
    VirtualUsers::new(Arc::new(script), Share::WHOLE, 1).with_places(places)
}

#[test]
fn who_may_send_goes_before_who_may_not_and_keeps_the_others_in_line() {
    let (steps, operations) = line(&["a"]);
    let mut users = of_own((none(), vec![flow("f", 1, steps, operations)], none()), 4);
    (0..4).for_each(|_| users.begin(slot(START), None));
    assert!(!users.has_room());
    assert_eq!(users.take_if(|user| user == 2), Some(2));
    // Everybody was tried, and nobody is tried again without a reason.
    assert_eq!(users.take_if(|_| true), Some(3));
    assert_eq!(users.take_if(|_| true), None);
    users.look_again(1);
    users.look_again(1);
    users.look_again(2);
    assert_eq!(users.take_if(|_| true), Some(1));
    assert_eq!(users.take_if(|_| true), None);
    users.end_step(2, true, START);
    assert!(users.has_room(), "a place is free again");
    assert!(users.is_ready() && !users.take_of(1));
    assert!(users.take_of(0) && !users.is_ready());
}

#[test]
fn users_with_connections_of_their_own_take_places_in_turn() {
    let (steps, operations) = line(&["a"]);
    let mut users = of_own((none(), vec![flow("f", 1, steps, operations)], none()), 3);
    let mut taken = Vec::new();
    for _ in 0..7 {
        users.begin(slot(START), None);
        let place = users.take_if(|_| true).expect("somebody came");
        assert!(!users.has_left(place));
        users.end_step(place, true, START);
        assert!(users.has_left(place));
        taken.push(place);
    }
    assert_eq!(taken, [0, 1, 2, 0, 1, 2, 0]);
}

/// However connections come and go, every user who can send does, and in the end everybody has.
#[test]
fn nobody_who_can_send_is_forgotten() {
    let (steps, operations) = line(&["a", "b"]);
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let parts = (none(), vec![flow("f", 1, steps.clone(), operations.clone())], none());
        let mut users = of_own(parts, 5);
        let (mut is_free, mut flying) = ([true; 5], Vec::new());
        for _ in 0..300 {
            let place = random.below(5);
            match random.below(3) {
                0 if users.has_room() => users.begin(slot(START), None),
                1 => {
                    is_free[place] = !is_free[place] && !flying.contains(&(place as u32));
                    if is_free[place] {
                        users.look_again(place as u32);
                    }
                }
                _ => {
                    if let Some(user) = flying.pop() {
                        is_free[user as usize] = true;
                        users.end_step(user, true, START);
                        users.look_again(user);
                    }
                }
            }
            while let Some(user) = users.take_if(|user| is_free[user as usize]) {
                is_free[user as usize] = false;
                flying.push(user);
            }
            let forgotten =
                (0..5).find(|&user| is_free[user as usize] && users.ready.contains(user));
            assert_eq!(forgotten, None, "seed {seed}");
        }
    }
}
