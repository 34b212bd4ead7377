/* A Modbus TCP server on libmodbus, to test our driver against a stack that is not ours.
 *
 *     libmodbus_server PORT TABLE:ADDRESS=VALUE ...
 *
 * Says «ready» when it listens, and «write FUNCTION ADDRESS» for each write that it carried out.
 * Tables hold SIZE values from 0; beyond them libmodbus answers exception 2. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

#ifndef SIZE
#define SIZE 64
#endif

static int put(modbus_mapping_t *map, const char *word) {
  char table[16];
  int address, value;
  if (sscanf(word, "%15[a-z]:%d=%d", table, &address, &value) != 3) return -1;
  if (address < 0 || address >= SIZE) return -1;
  if (!strcmp(table, "coil")) map->tab_bits[address] = value;
  else if (!strcmp(table, "discrete")) map->tab_input_bits[address] = value;
  else if (!strcmp(table, "holding")) map->tab_registers[address] = value;
  else if (!strcmp(table, "input")) map->tab_input_registers[address] = value;
  else return -1;
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  modbus_t *server = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
  modbus_mapping_t *map = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
  if (!server || !map) return 1;
  for (int i = 2; i < argc; i++)
    if (put(map, argv[i])) { fprintf(stderr, "not TABLE:ADDRESS=VALUE: %s\n", argv[i]); return 2; }
  int listening = modbus_tcp_listen(server, 8);
  if (listening < 0) { fprintf(stderr, "%s\n", modbus_strerror(errno)); return 1; }
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  fd_set all;
  FD_ZERO(&all);
  FD_SET(listening, &all);
  int highest = listening;
  for (;;) {
    fd_set ready = all;
    if (select(highest + 1, &ready, NULL, NULL, NULL) < 0) return 1;
    for (int fd = 0; fd <= highest; fd++) {
      if (!FD_ISSET(fd, &ready)) continue;
      if (fd == listening) {
        int client = modbus_tcp_accept(server, &listening);
        if (client < 0) continue;
        FD_SET(client, &all);
        if (client > highest) highest = client;
        continue;
      }
      uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
      modbus_set_socket(server, fd);
      int length = modbus_receive(server, request);
      if (length < 0) { close(fd); FD_CLR(fd, &all); continue; }
      int function = request[7], address = request[8] << 8 | request[9];
      int writes = function == 5 || function == 6 || function == 15 || function == 16;
      int answered = modbus_reply(server, request, length, map);
      if (length && writes && answered > 9) printf("write %d %d\n", function, address);
    }
  }
}
