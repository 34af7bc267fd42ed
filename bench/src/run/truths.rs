//! The bytes of every resource, saved where nginx serves them, and compared on both servers before
//! anything is timed.

use super::media::{LONG_NAME, Media};
use crate::fetch::Client;
use crate::peer::{self, Nginx};
use crate::progress::Progress;
use crate::rig::{Rig, TemporaryFolder};
use crate::server::Setup;
use crate::truth::{self, Asset, Piece, Witness};

/// What is right, by kind of file.
#[derive(Debug)]
pub(super) struct Truths {
    /// The saved tree; gigabytes, removed at the end.
    pub(super) root: TemporaryFolder,
    /// Files as ffmpeg writes them.
    pub(super) interleaved: Vec<Asset>,
    /// The same media with each segment in one piece.
    pub(super) contiguous: Vec<Asset>,
    /// The two-hour file, playlists only.
    pub(super) long: Asset,
}

impl Truths {
    /// Saves every answer of our server, and asks it for each again.
    ///
    /// # Errors
    /// When it does not answer as it should, or with other bytes the second time.
    pub(super) fn gather(rig: &Rig, media: &Media, progress: &Progress) -> anyhow::Result<Self> {
        let root = rig.fresh_folder("truth")?;
        let ours = rig.server(&Setup::plain(media.folder()))?;
        let mut witness = Witness::new(ours.address, root.path());
        let (mut interleaved, mut contiguous) = (Vec::new(), Vec::new());
        for name in &media.interleaved {
            progress.tell(&format!("saving every answer for {name}"));
            interleaved.push(witness.asset(name, true, None)?);
        }
        for (name, twin) in media.contiguous.iter().zip(&interleaved) {
            progress.tell(&format!("saving every answer for {name}"));
            contiguous.push(witness.asset(name, true, Some(twin))?);
        }
        let long = witness.asset(LONG_NAME, false, None)?;
        let truths = Self { root, interleaved, contiguous, long };
        progress.tell("comparing every answer of rillcast");
        truth::check("rillcast", &mut Client::new(ours.address), truths.pieces())?;
        Ok(truths)
    }

    /// Starts nginx over the saved tree and asks it for everything.
    ///
    /// # Errors
    /// When it does not start, or answers otherwise.
    pub(super) fn start_nginx(&self, rig: &Rig, progress: &Progress) -> anyhow::Result<Nginx> {
        let nginx = peer::start(self.root.path(), &rig.scratch, &rig.identity, rig.cores.server)?;
        progress.tell("comparing every answer of nginx");
        truth::check("nginx", &mut Client::new(nginx.small), self.pieces())?;
        Ok(nginx)
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let assets = self.interleaved.iter().chain(&self.contiguous).chain([&self.long]);
        assets.flat_map(Asset::pieces)
    }
}
