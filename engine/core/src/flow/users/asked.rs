//! What users ask for, and what they make of the answers.

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

/// What a request draws is apart from what its user does next.
const OF_REQUESTS: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a user's texts may name, with what its answers left and its rows.
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
    /// Append the user's request to `out`: the same each time, until its step has ended, so that it
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

    /// Whether the user's answer passes; what is to be kept of it is.
    ///
    /// # Errors
    /// With what of the step failed first.
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
        // What is kept of the answer takes their place.
        let scope = scope(script, user, (&[], rows), unix_ms);
        let captures = &mut self.captures[places(place, script.captures())];
        step.judge(answer, &scope, captures, &mut self.scratch)
    }

    /// Put the next message of the user's WebSocket into `out`, in the place of what is there.
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

    /// Whether what came over the user's WebSocket passes, where `sent` went before it.
    ///
    /// # Errors
    /// With what of the step failed first.
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
        // What is kept of the answer takes their place.
        let scope = scope(script, user, (&[], rows), unix_ms);
        let captures = &mut self.captures[places(place, script.captures())];
        step.judge_message(sent, received, &scope, captures, &mut self.scratch)
    }
}
