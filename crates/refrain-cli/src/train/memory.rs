//! What a run may take of this machine's memory, and what is said where it needs more.

use crate::error::Failure;
use crate::output::Output;
use refrain::{Bytes, Memory, TooMuchMemory};
use std::fs;
use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// What a run may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// None where nothing is known of the machine.
    pub(crate) bytes: Option<u64>,
    set_by: SetBy,
    /// What nobody uses now, if it is known.
    free: Option<u64>,
    /// What the machine has, if it is known.
    machine: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetBy {
    Option,
    Machine,
    /// A control group, as of a container.
    Group,
    /// `ulimit -v`
    AddressSpace,
}

impl Limit {
    /// `--memory`, or else what the machine has: of its memory, of its control group's, and of the addresses that this
    /// process may use, the least.
    pub(crate) fn new(option: Option<u64>) -> Self {
        let ram = MemoryRefreshKind::nothing().with_ram();
        let system = System::new_with_specifics(RefreshKind::nothing().with_memory(ram)).ok();
        // A system that cannot tell says 0.
        let known = |bytes: u64| Some(bytes).filter(|&bytes| bytes > 0);
        let machine = system.as_ref().and_then(|s| known(s.total_memory()));
        let free = system.as_ref().and_then(|s| known(s.available_memory()));
        let group = system.and_then(|mut system| {
            let own = sysinfo::get_current_pid().ok()?;
            let nothing = ProcessRefreshKind::nothing();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), true, nothing);
            system.process(own)?.cgroup_limits()
        });
        let free = free.into_iter().chain(group.as_ref().and_then(|g| known(g.free_memory))).min();
        if option.is_some() {
            return Self { bytes: option, set_by: SetBy::Option, free, machine };
        }
        let limits = [
            (machine, SetBy::Machine),
            (group.and_then(|g| known(g.total_memory)), SetBy::Group),
            (
                address_space(&fs::read_to_string("/proc/self/limits").unwrap_or_default()),
                SetBy::AddressSpace,
            ),
        ];
        // Of equal ones the first: a control group without a limit has the machine's.
        let least = limits.into_iter().filter_map(|(bytes, by)| Some((bytes?, by))).min_by_key(|l| l.0);
        let (bytes, set_by) = least.map_or((None, SetBy::Machine), |(bytes, by)| (Some(bytes), by));
        Self { bytes, set_by, free, machine }
    }

    /// Warns of a limit above what the machine has: the system ends a run that asks for more.
    pub(crate) fn warn_of_itself(&self, output: &Output) {
        if let (Some(bytes), Some(machine)) = (self.bytes, self.machine)
            && bytes > machine
        {
            output.warning(format_args!(
                "--memory allows {}, and this machine has {}: the system may end a run that needs more than that",
                Bytes(bytes),
                Bytes(machine)
            ));
        }
    }

    /// Warns of a run that needs more than is free.
    pub(crate) fn warn(&self, need: &Memory, output: &Output) {
        if let Some(free) = self.free.filter(|&free| need.total() > free) {
            output.warning(format_args!(
                "the run needs {} of memory, and {} are free now: close other programs, or it may be slow or be ended",
                Bytes(need.total()),
                Bytes(free)
            ));
        }
    }

    /// Why a run is refused.
    pub(crate) fn refuse(&self, much: &TooMuchMemory) -> Failure {
        let limit = Bytes(much.limit);
        let why = match self.set_by {
            SetBy::Option => format!("{limit} is what --memory allows"),
            SetBy::Machine => format!("{limit} is all that this machine has; --memory sets another limit"),
            SetBy::Group => {
                format!("{limit} is all that this process's control group (its container) may have")
            }
            SetBy::AddressSpace => format!("{limit} is the limit of this process's addresses (ulimit -v)"),
        };
        Failure::Input(format!("{}. {why}", much.with_prefix("--")))
    }
}

/// The bytes of addresses that a process may use, by its `/proc/self/limits`; none where they are not limited.
fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_addresses_is_the_soft_one() {
        let of = |line: &str| address_space(&format!("Limit  Soft Limit  Hard Limit  Units\n{line}\n"));
        assert_eq!(
            of("Max address space         4096000000           8192000000           bytes"),
            Some(4_096_000_000)
        );
        assert_eq!(of("Max address space         unlimited            unlimited            bytes"), None);
        assert_eq!(of("Max data size             4096                 unlimited            bytes"), None);
    }

    #[test]
    fn an_option_stands_above_the_machine() {
        let machine = Limit::new(None);
        assert!(machine.bytes.is_none_or(|bytes| bytes > 1 << 20), "{machine:?}");
        let limit = Limit::new(Some(u64::MAX));
        assert_eq!((limit.bytes, limit.set_by), (Some(u64::MAX), SetBy::Option));
    }
}
