//! How long nginx takes for a small file here: other machines are compared by it (`bench/decisions/0001`).

use std::path::Path;

use anyhow::bail;

use super::plain::nginx_side;
use crate::figure::{Figure, Unit};
use crate::load::Request;
use crate::measured::Measured;
use crate::peer::Nginx;
use crate::progress::Progress;
use crate::rig::Rig;

/// The figure that says how fast nginx is here.
pub(crate) const YARDSTICK: &str = "nginx-10kB";
/// Length of the file.
const BYTES: usize = 10_000;
/// Its name.
const NAME: &str = "yardstick.bin";

/// The figure, by `nginx`, which serves `root`.
///
/// # Errors
/// When the file cannot be written, or nginx fails.
pub(super) fn measure(
    rig: &Rig,
    nginx: &Nginx,
    root: &Path,
    progress: &mut Progress,
) -> anyhow::Result<Figure> {
    std::fs::write(root.join(NAME), [0x5a; BYTES])?;
    let request = Request::get(&format!("/{NAME}"), false, BYTES as u64);
    let side = nginx_side(nginx, nginx.small, vec![request]);
    let mut us = Vec::new();
    for number in 1..=rig.pace.pairs {
        progress.tell(&format!("yardstick: nginx static, 10 kB, run {number} of {}", rig.pace.pairs));
        let measured = Measured::of(&side.run(rig.pace.connections, rig.pace.span(), rig.cores)?);
        if let Some(fault) = measured.fault() {
            bail!("{YARDSTICK}: {fault}");
        }
        us.push(measured.cpu_us_per_request);
        progress.spent(rig.pace.run_time());
    }
    Ok(Figure::alone(YARDSTICK, "nginx static, one file of 10 kB", Unit::Us, us))
}
