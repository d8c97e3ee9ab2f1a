//! Secret files, seen by the user that the server runs as: root, who runs this, can read all of them.

use super::Finding;
use crate::config::{Config, Obstacle, Secret, ServiceUser};

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let service = ServiceUser::of(config);
    let mut findings = Vec::new();
    for switch in &config.switches {
        let Secret::File(path) = &switch.secret else { continue };
        let Some(obstacle) = service.obstacle(path) else { continue };
        let (user, group) = (service.name().unwrap_or_default(), service.group().unwrap_or_default());
        let what = format!("{user}, whom strowger runs as, can't read {}", path.display());
        let (what, remedy) = match obstacle {
            Obstacle::File => (format!("{what}; nobody can log in without it"), service.remedy(path)),
            Obstacle::Directory(directory) => (
                format!("{what}, because {user} may not enter {}; nobody can log in without it", directory.display()),
                format!("keep the secret in /etc/strowger, or let the group {group} enter that directory"),
            ),
        };
        findings.push(Finding::bad(format!("switch {}", switch.name), what, remedy));
    }
    findings
}
