"""What a long-running process needs from the system, and knows nothing of leases.

In: the environment, the kernel. Out: log lines (`logs`), sd_notify(3) messages, timers (`alarm`),
sockets that systemd has made (`activation`), an unprivileged account.

- The service runs as the user leasewatch with CAP_DAC_READ_SEARCH only. Started as root, it becomes
  that user before it opens anything (`account`).
- A process is named by its pid and start time (`alive`), for those who may not ask a lock's holder.
- Guests and local users can cause log lines and connections: both are limited here.
"""
