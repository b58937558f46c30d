//! What `front_door` tries, on folders of another machine: whoever asks must not be able to tell.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../front_door/archive.rs"]
mod archive;
#[path = "../front_door/client.rs"]
mod client;
#[path = "../front_door/crowd.rs"]
mod crowd;
#[path = "../front_door/download.rs"]
mod download;
#[path = "../front_door/ground.rs"]
mod ground;
#[path = "../front_door/hostile.rs"]
mod hostile;
#[path = "../front_door/names.rs"]
mod names;
#[path = "../front_door/put.rs"]
mod put;
#[path = "../front_door/resume.rs"]
mod resume;
mod way;
