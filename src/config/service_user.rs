//! Whom the server runs as, as far as files say: the owner of its data directory. Whoever configures it is root, for whom
//! every file can be read; what counts is whether that user can.

use super::Config;
use rustix::io::Errno;
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// As much of a list of accounts as is read, in bytes: a machine has some dozens of 60 bytes each.
const ACCOUNTS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What may be done with a file by its owner, when it is read or a directory is entered; a group's and others' bits stand
/// three and six below.
const READ: u32 = 0o400;
const ENTER: u32 = 0o100;

/// The user that the server runs as, and the group by which a file is given to him.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceUser {
    user: Option<User>,
    group: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct User {
    id: u32,
    name: String,
    groups: Vec<u32>,
}

/// What keeps a user from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The file itself is not for him.
    File,
    /// He may not enter this directory on the way to it.
    Directory(PathBuf),
}

impl ServiceUser {
    /// The owner of the configuration's data directory. Where there is none yet only a group may be known: the one that the
    /// configuration file was given to.
    #[must_use]
    pub fn of(config: &Config) -> ServiceUser {
        let (passwd, group) = (accounts("/etc/passwd"), accounts("/etc/group"));
        match std::fs::metadata(&config.data) {
            Ok(data) => ServiceUser::from_accounts(data.uid(), data.gid(), &passwd, &group),
            Err(_) => {
                let file = config.file.as_ref().and_then(|path| std::fs::metadata(path).ok());
                let gid = file.map(|file| file.gid()).filter(|gid| *gid != 0);
                ServiceUser { user: None, group: gid.map(|gid| group_name(gid, &group)) }
            }
        }
    }

    /// Whoever has this id, by lists of accounts as in `/etc/passwd` and `/etc/group`. Who isn't in there has the directory's
    /// group.
    fn from_accounts(uid: u32, directory_gid: u32, passwd: &str, group: &str) -> ServiceUser {
        let account = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f.get(2).is_some_and(|id| is(id, uid)));
        let field = |n: usize| account.as_ref().and_then(|fields| fields.get(n)).copied();
        let name = field(0).map_or_else(|| uid.to_string(), str::to_owned);
        let gid = field(3).and_then(|id| id.parse().ok()).unwrap_or(directory_gid);
        let mut groups = vec![gid];
        for fields in group.lines().map(|line| line.split(':').collect::<Vec<_>>()) {
            if let [_, _, id, members] = fields[..]
                && members.split(',').any(|member| member == name)
            {
                groups.extend(id.parse::<u32>().ok());
            }
        }
        ServiceUser { user: Some(User { id: uid, name, groups }), group: Some(group_name(gid, group)) }
    }

    /// His name, or his number where he has none; `None` where he isn't known.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.user.as_ref().map(|user| user.name.as_str())
    }

    /// His group's name, or its number.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// What keeps him from reading a file, by owners, groups and modes. `None` where nothing does, and where that can't be
    /// known: without the user, without the file, with access lists on the way (systemd gives credentials by these).
    #[must_use]
    pub fn obstacle(&self, path: &Path) -> Option<Obstacle> {
        let user = self.user.as_ref()?;
        let path = path.canonicalize().ok()?;
        let mut directories: Vec<&Path> = path.ancestors().skip(1).collect();
        directories.reverse();
        for directory in directories {
            let is_kept_out = !user.may(ENTER, &std::fs::metadata(directory).ok()?);
            if has_access_list(directory) {
                return None;
            }
            if is_kept_out {
                return Some(Obstacle::Directory(directory.to_owned()));
            }
        }
        let is_kept_out = !user.may(READ, &std::fs::metadata(&path).ok()?);
        (is_kept_out && !has_access_list(&path)).then_some(Obstacle::File)
    }

    /// The command by which a file is his, and nobody's else but its owner's.
    #[must_use]
    pub fn remedy(&self, path: &Path) -> String {
        let shown = in_shell(path);
        let owner = std::fs::metadata(path).ok().map(|file| file.uid());
        if self.user.as_ref().is_some_and(|user| user.id == 0 || Some(user.id) == owner) {
            return format!("chmod 600 {shown}");
        }
        match &self.group {
            Some(group) => format!("chgrp {group} {shown} && chmod 640 {shown}"),
            None => format!("chgrp GROUP {shown} && chmod 640 {shown}, where GROUP is the group of the service's user"),
        }
    }
}

impl User {
    fn may(&self, what: u32, file: &Metadata) -> bool {
        self.may_by(what, file.uid(), file.gid(), file.mode())
    }

    /// The first class that somebody belongs to decides: an owner without the right isn't helped by his group's.
    fn may_by(&self, what: u32, uid: u32, gid: u32, mode: u32) -> bool {
        let bit = match () {
            () if self.id == 0 => return true,
            () if self.id == uid => what,
            () if self.groups.contains(&gid) => what >> 3,
            () => what >> 6,
        };
        mode & bit != 0
    }
}

fn is(text: &str, id: u32) -> bool {
    text.parse() == Ok(id)
}

fn group_name(gid: u32, group: &str) -> String {
    let named = group.lines().find(|line| line.split(':').nth(2).is_some_and(|id| is(id, gid)));
    named.and_then(|line| line.split(':').next()).map_or_else(|| gid.to_string(), str::to_owned)
}

/// A list of accounts; empty where it can't be read.
fn accounts(path: &str) -> String {
    let mut bytes = Vec::new();
    match std::fs::File::open(path).and_then(|file| file.take(ACCOUNTS_BYTES_MAX).read_to_end(&mut bytes)) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

fn has_access_list(path: &Path) -> bool {
    // one byte is no room for any, which is answered too
    matches!(rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0u8; 1]), Ok(_) | Err(Errno::RANGE))
}

/// A path as a shell takes it.
fn in_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nstrowger:x:990:991::/var/lib/strowger:/usr/sbin/nologin\nbroken\n";
    const GROUP: &str = "root:x:0:\nstrowger:x:991:\nasterisk:x:120:asterisk,strowger\nusers:x:100:strowgers\n";

    fn service(uid: u32) -> ServiceUser {
        ServiceUser::from_accounts(uid, 100, PASSWD, GROUP)
    }

    #[test]
    fn a_user_is_known_by_the_owner_of_his_directory_with_his_groups() {
        let strowger = service(990);
        assert_eq!((strowger.name(), strowger.group()), (Some("strowger"), Some("strowger")));
        assert_eq!(strowger.user.map(|user| user.groups), Some(vec![991, 120]));
        let unlisted = service(61_184);
        assert_eq!((unlisted.name(), unlisted.group()), (Some("61184"), Some("users")));
        assert_eq!(ServiceUser::from_accounts(7, 8, "", "").group(), Some("8"));
    }

    #[test]
    fn owner_group_and_mode_decide_in_this_order_and_root_is_never_kept_out() {
        let strowger = service(990).user.unwrap();
        for (uid, gid, mode, may) in [
            (0, 0, 0o600, false),
            (0, 0, 0o640, false),
            (0, 0, 0o644, true),
            (0, 991, 0o640, true),
            (0, 120, 0o640, true),
            (0, 100, 0o640, false),
            (0, 991, 0o604, false),
            (990, 991, 0o600, true),
            (990, 991, 0o044, false),
        ] {
            assert_eq!(strowger.may_by(READ, uid, gid, mode), may, "{uid}:{gid} {mode:o}");
        }
        assert!(service(0).user.unwrap().may_by(READ, 990, 991, 0));
        assert!(strowger.may_by(ENTER, 0, 0, 0o711) && !strowger.may_by(ENTER, 0, 0, 0o754));
    }

    #[test]
    fn the_remedy_gives_a_file_to_the_services_user_and_never_takes_it_away() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (path, own) = (file.path(), file.as_file().metadata().unwrap().uid());
        let shown = path.display();
        let other = service(own.wrapping_add(990));
        let group = other.group().unwrap();
        assert_eq!(other.remedy(path), format!("chgrp {group} {shown} && chmod 640 {shown}"));
        assert_eq!(service(own).remedy(path), format!("chmod 600 {shown}"), "its owner has it already");
        assert_eq!(service(0).remedy(path), format!("chmod 600 {shown}"), "root has every file");
        let unknown = ServiceUser::default().remedy(path);
        assert!(unknown.starts_with("chgrp GROUP ") && unknown.ends_with("the group of the service's user"), "{unknown}");
        assert!(other.remedy(Path::new("/a b/it's")).contains(r" && chmod 640 '/a b/it'\''s'"));
    }

    #[test]
    fn what_keeps_a_user_from_a_file_is_the_file_or_a_directory_on_the_way() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("secret");
        std::fs::write(&path, "s3cret").unwrap();
        let own = std::fs::metadata(&path).unwrap();
        // somebody who is neither the owner nor in the group
        let (uid, gid) = (own.uid().wrapping_add(990), own.gid().wrapping_add(990));
        let stranger = ServiceUser::from_accounts(uid, gid, "", "");
        mode(place.path(), 0o755);
        mode(&path, 0o640);
        assert_eq!(stranger.obstacle(&path), Some(Obstacle::File));
        assert_eq!(service(0).obstacle(&path), None);
        mode(&path, 0o644);
        assert_eq!(stranger.obstacle(&path), None);
        mode(place.path(), 0o750);
        let way = place.path().canonicalize().unwrap();
        assert_eq!(stranger.obstacle(&path), Some(Obstacle::Directory(way)));
        assert_eq!(stranger.obstacle(Path::new("/nonexistent/secret")), None, "that is said elsewhere");
        assert_eq!(ServiceUser::default().obstacle(&path), None);
    }
}
