//! The requests of users, and the checks of their answers.

use super::super::answer::Answer;
use super::super::cookie_jar::Origin;
use super::super::script::Script;
use super::super::step::Judgement;
use super::super::template::target_of;
use super::super::text::Text;
use super::super::value::Scope;
use super::VirtualUsers;
use super::user::{User, places, step_of};
use crate::statistics::random::Random;

/// Random values of a request are independent of the user's next action.
const OF_REQUESTS: u64 = 0x9e37_79b9_7f4a_7c15;

/// The values that a user's texts may refer to, with its captures and rows.
fn scope<'a>(
    script: &'a Script,
    user: &'a User,
    (captures, rows): (&'a [Vec<u8>], &'a [usize]),
    unix_ms: u64,
) -> Scope<'a> {
    Scope {
        user: user.number,
        sequence: user.sequence,
        unix_ms,
        captures,
        cookies: &user.cookies,
        tables: script.tables(),
        rows,
    }
}

impl VirtualUsers {
    /// Append the user's request to `out`: the same each time until its step has ended, so that it
    /// can be sent again. Only the time in it is that of `unix_ms`.
    pub fn render(&mut self, place: u32, unix_ms: u64, out: &mut Vec<u8>) {
        let script = &self.script;
        let user = &mut self.users[place as usize];
        let Some(step) = step_of(script, user) else { return };
        let captures = &self.captures[places(place, script.captures())];
        let rows = &self.rows[places(place, script.tables().len())];
        let scope = scope(script, user, (captures, rows), unix_ms);
        let begin = out.len();
        let mut random = Random::new(user.chance ^ OF_REQUESTS);
        step.template.render(&scope, &mut random, out);
        if step.uses_jar() {
            let target = &mut self.targets[place as usize];
            target.clear();
            target.extend_from_slice(target_of(&out[begin..]));
        }
    }

    /// Whether the user's answer passes; if so, its values are captured.
    ///
    /// # Errors
    /// The first failure of the step.
    pub fn judge(&mut self, place: u32, unix_ms: u64, answer: &Answer<'_>) -> Judgement {
        let script = &self.script;
        let user = &mut self.users[place as usize];
        let Some(step) = step_of(script, user) else { return Ok(()) };
        if step.uses_jar() {
            let authority = script.authority();
            let target = &self.targets[place as usize];
            user.cookies.take(answer, Origin { authority, target, unix_ms });
        }
        let rows = &self.rows[places(place, script.tables().len())];
        // The captures of the answer replace the old ones.
        let scope = scope(script, user, (&[], rows), unix_ms);
        let captures = &mut self.captures[places(place, script.captures())];
        step.judge(answer, &scope, captures, &mut self.scratch)
    }

    /// Replace the content of `message` by the next message of the user's WebSocket.
    pub fn say(&mut self, place: u32, unix_ms: u64, message: &Text, out: &mut Vec<u8>) {
        out.clear();
        let script = &self.script;
        let user = &mut self.users[place as usize];
        let captures = &self.captures[places(place, script.captures())];
        let rows = &self.rows[places(place, script.tables().len())];
        let scope = scope(script, user, (captures, rows), unix_ms);
        let mut random = Random::new(user.chance);
        message.pieces(&scope, &mut random, &mut |piece| out.extend_from_slice(piece));
        user.chance = random.bits();
    }

    /// Whether a message over the user's WebSocket passes, where `sent` was sent before it.
    ///
    /// # Errors
    /// The first failure of the step.
    pub fn hear(
        &mut self,
        place: u32,
        unix_ms: u64,
        (sent, received): (&[u8], &[u8]),
    ) -> Judgement {
        let script = &self.script;
        let user = &mut self.users[place as usize];
        let Some(step) = step_of(script, user) else { return Ok(()) };
        let rows = &self.rows[places(place, script.tables().len())];
        // The captures of the answer replace the old ones.
        let scope = scope(script, user, (&[], rows), unix_ms);
        let captures = &mut self.captures[places(place, script.captures())];
        step.judge_message(sent, received, &scope, captures, &mut self.scratch)
    }
}
