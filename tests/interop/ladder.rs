//! A film with three renditions in one file, made by ffmpeg: what a player needs to switch between.

use std::path::Path;
use std::process::Command;

/// Seconds; twelve groups of pictures.
pub(crate) const DURATION_S: f64 = 24.0;

/// Copies a film with its sound 99.3 ms later (the edit list of the copy counts milliseconds) and one access unit of the
/// second video track left out.
pub(crate) fn spoil(from: &Path, to: &Path) {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(from)
        .args(["-itsoffset", "0.1", "-i"])
        .arg(from)
        .args(["-map", "0:v", "-map", "1:a", "-c", "copy"])
        .args(["-bsf:v:1", "noise=drop=eq(n\\,50)"])
        .arg(to)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "ffmpeg makes {}", to.display());
}

/// Makes the film: three H.264 tracks whose groups of pictures are aligned, and an AAC track.
pub(crate) fn make(path: &Path) {
    let pictures = format!("testsrc2=size=640x360:rate=24:duration={DURATION_S}");
    let sound = format!("sine=frequency=220:beep_factor=4:sample_rate=48000:duration={DURATION_S}");
    let sizes = "[0:v]format=yuv420p,split=3[a][b][c];[b]scale=426:240[b2];[c]scale=256:144[c2]";
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &sound])
        .args(["-filter_complex", sizes, "-map", "[a]", "-map", "[b2]", "-map", "[c2]", "-map", "1:a"])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-g", "48", "-keyint_min", "48"])
        .args(["-sc_threshold", "0", "-b:v:0", "600k", "-b:v:1", "300k", "-b:v:2", "100k"])
        .args(["-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart"])
        .arg(path)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "ffmpeg makes {}", path.display());
}
