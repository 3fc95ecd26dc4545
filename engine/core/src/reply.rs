//! Replies that come in the order of what they answer, as databases send them: what a reader of
//! any protocol finds in some bytes. How each protocol is read is in its own module.

use crate::answer_code::AnswerCode;

/// A complete reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeReply {
    /// What it says.
    pub code: AnswerCode,
    /// Bytes of values in it.
    pub payload: u64,
}

/// The result of reading some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyProgress {
    /// All of them belong to a reply that has not ended.
    NeedMore,
    /// So many of them end a reply.
    Reply {
        /// The number of bytes.
        consumed: usize,
        /// The reply.
        reply: WholeReply,
    },
    /// So many of them end something that answers nothing: a push of RESP3, a notice of
    /// PostgreSQL.
    Aside {
        /// The number of bytes.
        consumed: usize,
    },
}
