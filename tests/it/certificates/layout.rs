//! How others lay out and swap the files of a certificate: the kubelet, and certbot.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use wssgate::config::Files;

use crate::support::Issued;

/// A secret as the kubelet mounts it: `tls.crt` leads to `..data/tls.crt`, `..data` to a folder of one
/// version, and a rename over `..data` is the swap.
pub(crate) struct Kubernetes {
    root: PathBuf,
    version: usize,
}

impl Kubernetes {
    pub(crate) fn new(root: &Path, issued: &Issued) -> Self {
        let mut mount = Self { root: root.to_path_buf(), version: 0 };
        mount.put(Some(&issued.chain), Some(&issued.key));
        for file in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(file), root.join(file)).unwrap();
        }
        mount
    }

    pub(crate) fn files(&self) -> Files {
        Files { chain: self.root.join("tls.crt"), key: self.root.join("tls.key") }
    }

    pub(crate) fn swap(&mut self, issued: &Issued) {
        self.put(Some(&issued.chain), Some(&issued.key));
    }

    /// Swaps in a version with these files; none: the file is not there.
    pub(crate) fn put(&mut self, chain: Option<&str>, key: Option<&str>) {
        let before = self.folder();
        self.version += 1;
        let now = self.folder();
        fs::create_dir(self.root.join(&now)).unwrap();
        for (file, content) in [("tls.crt", chain), ("tls.key", key)] {
            if let Some(content) = content {
                fs::write(self.root.join(&now).join(file), content).unwrap();
            }
        }
        symlink(&now, self.root.join("..data_tmp")).unwrap();
        fs::rename(self.root.join("..data_tmp"), self.root.join("..data")).unwrap();
        match fs::remove_dir_all(self.root.join(before)) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }

    fn folder(&self) -> String {
        format!("..2026_{}", self.version)
    }
}

/// certbot's folders: `live/x/fullchain.pem` leads to `archive/x/fullchain1.pem`, and after a renewal to
/// `fullchain2.pem`.
pub(super) struct Certbot {
    root: PathBuf,
    version: usize,
}

impl Certbot {
    pub(super) fn new(root: &Path, issued: &Issued) -> Self {
        fs::create_dir_all(root.join("live/x")).unwrap();
        fs::create_dir_all(root.join("archive/x")).unwrap();
        let mut certbot = Self { root: root.to_path_buf(), version: 0 };
        certbot.renew(issued);
        certbot
    }

    pub(super) fn files(&self) -> Files {
        let live = self.root.join("live/x");
        Files { chain: live.join("fullchain.pem"), key: live.join("privkey.pem") }
    }

    /// As certbot does: the new files, then one link after the other, each removed and made anew.
    pub(super) fn renew(&mut self, issued: &Issued) {
        self.version += 1;
        let version = self.version;
        let files = [("privkey", &issued.key), ("fullchain", &issued.chain)];
        for (kind, content) in files {
            fs::write(self.root.join(format!("archive/x/{kind}{version}.pem")), content).unwrap();
        }
        for (kind, _) in files {
            let link = self.root.join(format!("live/x/{kind}.pem"));
            let _ = fs::remove_file(&link);
            symlink(format!("../../archive/x/{kind}{version}.pem"), link).unwrap();
        }
    }
}
