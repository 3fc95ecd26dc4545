//! What the application answers, seen by a client that only knows HTTP.

mod lasting;
mod served;
mod shootout;
mod taskflow;
mod trouble;
