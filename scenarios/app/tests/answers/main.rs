//! What the application answers, seen by a client that only knows HTTP.

mod cluster;
mod databases;
mod faults;
mod features;
mod files;
mod flows;
mod lasting;
mod served;
mod shootout;
mod table;
mod taskflow;
