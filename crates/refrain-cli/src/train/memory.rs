//! The limit on a run's memory, and the messages if the run needs more.

use crate::error::Failure;
use crate::output::Output;
use refrain::{Bytes, Memory, TooMuchMemory};
use std::fs;
use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// How much memory a run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// `None` if nothing is known about the machine.
    pub(crate) bytes: Option<u64>,
    set_by: SetBy,
    /// The memory that is free now, if known.
    free: Option<u64>,
    /// The memory of the machine, if known.
    machine: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetBy {
    Option,
    Machine,
    /// A control group, such as a container's.
    Group,
    /// `ulimit -v`
    AddressSpace,
}

impl Limit {
    /// Returns the limit of `--memory`. By default, it is the smallest of the machine's memory, the limit of the
    /// control group and the limit of this process's address space.
    pub(crate) fn new(option: Option<u64>) -> Self {
        let ram = MemoryRefreshKind::nothing().with_ram();
        let system = System::new_with_specifics(RefreshKind::nothing().with_memory(ram)).ok();
        // 0 means unknown.
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
        // The first of equal limits: a control group without a limit reports the machine's memory.
        let least = limits.into_iter().filter_map(|(bytes, by)| Some((bytes?, by))).min_by_key(|l| l.0);
        let (bytes, set_by) = least.map_or((None, SetBy::Machine), |(bytes, by)| (Some(bytes), by));
        Self { bytes, set_by, free, machine }
    }

    /// Warns if the limit is above the machine's memory: the system kills a run that uses more.
    pub(crate) fn warn_of_itself(&self, output: &Output) {
        if let (Some(bytes), Some(machine)) = (self.bytes, self.machine)
            && bytes > machine
        {
            output.warning(format_args!(
                "--memory allows {}, but this machine has {}; the system may kill a run that needs more",
                Bytes(bytes),
                Bytes(machine)
            ));
        }
    }

    /// Warns if the run needs more memory than is free.
    pub(crate) fn warn(&self, need: &Memory, output: &Output) {
        if let Some(free) = self.free.filter(|&free| need.total() > free) {
            output.warning(format_args!(
                "the run needs {} of memory, but {} is free now; close other programs, or it may be slow or be killed",
                Bytes(need.total()),
                Bytes(free)
            ));
        }
    }

    /// Returns the failure of a run that is refused.
    pub(crate) fn refuse(&self, much: &TooMuchMemory) -> Failure {
        let limit = Bytes(much.limit);
        let why = match self.set_by {
            SetBy::Option => format!("{limit} is the limit set with --memory"),
            SetBy::Machine => {
                format!("{limit} is all that this machine has; set another limit with --memory")
            }
            SetBy::Group => {
                format!("{limit} is the limit of this process's control group (its container)")
            }
            SetBy::AddressSpace => {
                format!("{limit} is the limit of this process's address space (ulimit -v)")
            }
        };
        Failure::Input(format!("{}. {why}", much.with_prefix("--")))
    }
}

/// Returns the soft limit of the address space in `/proc/self/limits`, in bytes; `None` if there is no limit.
fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_space_limit_is_the_soft_one() {
        let of = |line: &str| address_space(&format!("Limit  Soft Limit  Hard Limit  Units\n{line}\n"));
        assert_eq!(
            of("Max address space         4096000000           8192000000           bytes"),
            Some(4_096_000_000)
        );
        assert_eq!(of("Max address space         unlimited            unlimited            bytes"), None);
        assert_eq!(of("Max data size             4096                 unlimited            bytes"), None);
    }

    #[test]
    fn an_option_overrides_the_memory_of_the_machine() {
        let machine = Limit::new(None);
        assert!(machine.bytes.is_none_or(|bytes| bytes > 1 << 20), "{machine:?}");
        let limit = Limit::new(Some(u64::MAX));
        assert_eq!((limit.bytes, limit.set_by), (Some(u64::MAX), SetBy::Option));
    }
}
