/* The least a FastAGI or outbound-socket server can do, as a floor to measure against: one thread, one epoll, no look-up,
 * one fixed answer.
 *   null PORT [LINE|@FILE] [half|socket]
 * listens on 127.0.0.1:PORT (0 picks a free one), prints "PORT\n", and answers every environment with LINE (its newline is
 * added if missing), waits for the reply, closes. With "half" it shuts its sending side down at once and closes when the
 * switch does. With "socket" it is an outbound-socket server for FreeSWITCH: it writes "connect" to every connection, answers
 * the reply with LINE as it is (commands, the last of which is exit), and closes when the switch does. Build: cc -O2 -Wall -o null null.c */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#define MAXFD 65536
#define LINE_MAX_BYTES 8191
static unsigned char step[MAXFD], nl[MAXFD];
static char line[LINE_MAX_BYTES + 2] = "EXEC MSet \"CALLERID(name)=Null Name,ROUTE=PJSIP/trunk0/0\"";
static size_t line_bytes;

static int load(const char *from) {
  ssize_t n;
  if (from[0] == '@') {
    int fd = open(from + 1, O_RDONLY);
    if (fd < 0 || (n = read(fd, line, sizeof line - 1)) < 0) { perror(from + 1); return 1; }
    close(fd);
  } else {
    n = (ssize_t)strlen(from);
    if (n > LINE_MAX_BYTES) n = LINE_MAX_BYTES + 1;
    memcpy(line, from, (size_t)n);
  }
  line[n] = 0;
  return 0;
}

int main(int c, char **v) {
  if (c < 2) { fprintf(stderr, "usage: null PORT [LINE|@FILE] [half|socket]\n"); return 2; }
  if (c > 2 && load(v[2])) return 1;
  int half = c > 3 && !strcmp(v[3], "half");
  int socket_mode = c > 3 && !strcmp(v[3], "socket");
  line_bytes = strlen(line);
  if (!socket_mode && (line_bytes == 0 || line[line_bytes - 1] != '\n')) { line[line_bytes++] = '\n'; }
  if (line_bytes > LINE_MAX_BYTES) { fprintf(stderr, "null: the line is over %d bytes\n", LINE_MAX_BYTES); return 2; }
  int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(v[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof a;
  if (bind(l, (void *)&a, sizeof a) || listen(l, 4096) || getsockname(l, (void *)&a, &size)) { perror("listen"); return 1; }
  printf("%d\n", ntohs(a.sin_port));
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
          if (fd >= MAXFD) { close(fd); continue; }
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          step[fd] = nl[fd] = 0;
          e.events = EPOLLIN; e.data.fd = fd;
          epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
          if (socket_mode && send(fd, "connect\n\n", 9, MSG_NOSIGNAL) < 0) {}
        }
        continue;
      }
      ssize_t r = recv(fd, b, sizeof b, 0);
      if (r <= 0) { if (r < 0 && errno == EAGAIN) continue; close(fd); continue; }
      for (ssize_t k = 0; k < r; k++) {
        int blank;
        if (b[k] == '\n') { blank = nl[fd]; nl[fd] = 1; } else { nl[fd] = 0; continue; }
        if (step[fd] == 0) {
          if (!blank) continue;
          step[fd] = 1;
          if (send(fd, line, line_bytes, MSG_NOSIGNAL) < 0) {}
          if (half) shutdown(fd, SHUT_WR);
        } else if (socket_mode) { break; } else if (!half) { close(fd); break; }
      }
    }
  }
}
