//! The auditor against a good presentation, against mutations of it, and against foreign output.

mod driver;
mod entry;
mod ffmpeg;
mod fixture;
mod live;
mod mp4;
mod mutations;
mod readers;
mod robustness;
