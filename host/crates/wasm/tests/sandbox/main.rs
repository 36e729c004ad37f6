//! What a plugin may reach and use: a real guest of the standard library tries, and fixtures
//! misbehave.

mod calls;
mod doors;
mod files;
mod limits;
mod network;
mod site;
