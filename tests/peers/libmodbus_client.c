/* A Modbus TCP client on libmodbus that reads and decodes blocks, to compare processor time with.
 *
 *     libmodbus_client PORT CONNECTIONS BLOCKS REGISTERS ROUNDS
 *
 * Each round reads BLOCKS blocks of REGISTERS input registers over each connection and turns every
 * pair of registers into a float, low word first. Prints its processor time in seconds and the sum
 * of the last round's values. */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static double used(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + 1e-6 * (u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  int port = atoi(argv[1]), connections = atoi(argv[2]), blocks = atoi(argv[3]);
  int registers = atoi(argv[4]), rounds = atoi(argv[5]);
  modbus_t **links = calloc(connections, sizeof *links);
  for (int c = 0; c < connections; c++) {
    links[c] = modbus_new_tcp("127.0.0.1", port);
    /* Of a busy machine: the library gives an answer half a second. */
    if (!links[c] || modbus_set_response_timeout(links[c], 10, 0) || modbus_connect(links[c])) {
      fprintf(stderr, "%s\n", modbus_strerror(errno));
      return 1;
    }
  }
  uint16_t words[125];
  double sum = 0.0, before = used();
  for (int round = 0; round < rounds; round++) {
    sum = 0.0;
    for (int c = 0; c < connections; c++)
      for (int b = 0; b < blocks; b++) {
        if (modbus_read_input_registers(links[c], b * registers, registers, words) != registers) {
          fprintf(stderr, "%s\n", modbus_strerror(errno));
          return 1;
        }
        for (int i = 0; i + 1 < registers; i += 2) {
          uint32_t bits = (uint32_t)words[i + 1] << 16 | words[i];
          float value;
          memcpy(&value, &bits, sizeof value);
          sum += value;
        }
      }
  }
  printf("%.6f %.1f\n", used() - before, sum);
  return 0;
}
