/* The least that a FastAGI server can do: one thread, one epoll, no look-up, one fixed answer.
 * bench holds strowger beside it.
 *   null PORT 'EXEC MSet "A=1,B=2"'     sends that line after the environment, waits for the reply, closes */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#define FD_MAX 65536
static unsigned char answered[FD_MAX], line_end[FD_MAX];
int main(int c, char **v) {
  if (c != 3) return 2;
  static char line[8192];
  int length = snprintf(line, sizeof line, "%s\n", v[2]);
  if (length >= (int)sizeof line) return 2;
  int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(v[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(l, (void *)&a, sizeof a) || listen(l, 1024)) { perror("listen"); return 1; }
  puts("ready");
  fflush(stdout);
  int ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.fd = l}, ev[512];
  epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
  static char b[65536];
  for (;;) {
    int n = epoll_wait(ep, ev, 512, -1);
    for (int i = 0; i < n; i++) {
      int fd = ev[i].data.fd;
      if (fd == l) {
        while ((fd = accept4(l, 0, 0, SOCK_NONBLOCK)) >= 0) {
          if (fd >= FD_MAX) { close(fd); continue; }
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          answered[fd] = line_end[fd] = 0;
          e.events = EPOLLIN; e.data.fd = fd;
          epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
        }
        continue;
      }
      ssize_t r = recv(fd, b, sizeof b, 0);
      if (r <= 0) { if (r < 0 && errno == EAGAIN) continue; close(fd); continue; }
      for (ssize_t k = 0; k < r; k++) {
        if (b[k] != '\n') { line_end[fd] = 0; continue; }
        int blank = line_end[fd];
        line_end[fd] = 1;
        if (answered[fd]) { close(fd); break; }
        if (blank) { answered[fd] = 1; if (send(fd, line, length, MSG_NOSIGNAL) < 0) {} }
      }
    }
  }
}
