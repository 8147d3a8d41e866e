// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Opening artefacts: the good one in every way there is, and damaged ones,
// which must be refused with a message before any code in them is loaded.
#include "fake.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <fstream>
#include <random>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include "artefact.h"
}

namespace {
std::vector<uint8_t> readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
// Page-aligned copies, as a mapping would be.
struct Bytes {
  explicit Bytes(const std::vector<uint8_t> &from) : size(from.size()) {
    data = static_cast<uint8_t *>(
        std::aligned_alloc(4096, (size + 4096) / 4096 * 4096));
    if (size)
      memcpy(data, from.data(), size);
  }
  ~Bytes() { std::free(data); }
  adze_status check() {
    return adze_artefact_check(data, size, "test", adze_elf_host_machine(),
                               &elf, &desc);
  }
  // Makes the hash right again, so that later checks are reached.
  void rehash() {
    adze_elf frame;
    if (adze_elf_read(data, size, "test", &frame))
      return;
    adze_artefact_hash(data, size, &frame, data + frame.desc_offset + 32);
  }
  adze_model_desc *head() {
    adze_elf_read(data, size, "test", &elf);
    return reinterpret_cast<adze_model_desc *>(data + elf.desc_offset);
  }
  // Payload of a table.
  uint8_t *table(uint32_t tag) {
    uint8_t *base = reinterpret_cast<uint8_t *>(head());
    for (uint64_t at = sizeof(adze_model_desc);;) {
      auto *t = reinterpret_cast<adze_table *>(base + at);
      if (t->tag == tag)
        return base + at + sizeof *t;
      at += sizeof *t + (t->bytes + 7) / 8 * 8;
    }
  }
  uint8_t *data;
  size_t size;
  adze_elf elf;
  adze_desc desc;
};
struct TempDir {
  TempDir() {
    char name[] = "/tmp/adze-artefact-XXXXXX";
    path = mkdtemp(name);
  }
  ~TempDir() { EXPECT_EQ(system(("rm -r " + path).c_str()), 0); }
  std::string write(const std::string &name, const uint8_t *data, size_t n) {
    std::string file = path + "/" + name, part = file + ".part";
    std::ofstream(part, std::ios::binary)
        .write(reinterpret_cast<const char *>(data),
               static_cast<std::streamsize>(n));
    rename(part.c_str(), file.c_str());
    return file;
  }
  std::string path;
};
bool says(const std::string &what) {
  return lastMessage().find(what) != std::string::npos;
}
void expectWorks(const adze::Model &model, float bias = 0) {
  adze::Session session = model.session().or_throw();
  std::vector<int32_t> tokens = someTokens(70);
  adze::Logits logits = session.eval(tokens).or_throw();
  std::vector<float> expected = referenceLogits(tokens, 69);
  for (size_t v = 0; v < expected.size(); ++v)
    ASSERT_EQ(logits.row(0)[v], expected[v] + bias);
}
} // namespace

TEST(Artefact, TellsAboutItself) {
  adze::Model model = openFake();
  EXPECT_EQ(model.info("architecture").or_throw(), "FakeDecoder");
  EXPECT_EQ(model.info("context").or_throw(), "2048");
  EXPECT_EQ(model.info("variant").or_throw(), "base");
  EXPECT_EQ(model.info("variants").or_throw(), "wish+magic,base,other");
  EXPECT_EQ(model.info("weights_bytes").or_throw(), "128");
  EXPECT_EQ(model.info("id").or_throw().size(), 64u);
  EXPECT_EQ(model.info("meta").or_throw().front(), '{');
  EXPECT_EQ(model.info("list").error().code, ADZE_NOT_FOUND);
  int64_t eos[4];
  size_t count;
  EXPECT_EQ(adze_model_integers(model.c(), "eos", eos, 4, &count), ADZE_OK);
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(eos[1], 61);
  char small[4];
  adze_buf buf = {sizeof buf, 0, small, sizeof small, 0};
  EXPECT_EQ(adze_model_info(model.c(), "architecture", &buf),
            ADZE_BUFFER_TOO_SMALL);
  EXPECT_EQ(buf.length, 11u);
  EXPECT_EQ(adze_model_weight_count(model.c()), 2u);
  adze_weight_info weight = {};
  weight.size = sizeof weight;
  ASSERT_EQ(adze_model_weight(model.c(), 1, &weight), ADZE_OK);
  EXPECT_STREQ(weight.name, "model.b.weight");
  EXPECT_EQ(static_cast<const float *>(weight.data)[2], 3.0f);
  EXPECT_EQ(adze_model_weight(model.c(), 2, &weight), ADZE_INVALID_ARGUMENT);
  const void *text;
  size_t bytes;
  EXPECT_EQ(adze_model_text_table(model.c(), &text, &bytes), ADZE_NOT_FOUND);
  EXPECT_EQ(adze_model_entry_count(model.c()), 3u);
  expectWorks(model);
}

TEST(Artefact, VerifyFindsADamagedWeight) {
  EXPECT_EQ(adze_model_verify(openFake().c()), ADZE_OK) << lastMessage();
  Bytes bytes(readFile(fakePath()));
  ASSERT_EQ(bytes.check(), ADZE_OK);
  bytes.data[bytes.elf.weights_offset + 64] ^= 1;
  TempDir dir;
  adze::Model model =
      adze::Model::open(dir.write("w.so", bytes.data, bytes.size)).or_throw();
  EXPECT_EQ(adze_model_verify(model.c()), ADZE_BAD_ARTEFACT);
  EXPECT_TRUE(says("model.b.weight")) << lastMessage();
}

TEST(Artefact, MessagesCallTheModelByTheNameThatWasGiven) {
  adze_open_options o = {};
  o.size = sizeof o;
  o.name = "what the user gave";
  adze::Model model = adze::Model::open(fakePath(), &o).or_throw();
  EXPECT_EQ(model.info("file").or_throw(), fakePath());
  EXPECT_FALSE(model.info("nothing"));
  o.variant = "nonsense";
  EXPECT_FALSE(adze::Model::open(fakePath(), &o));
  EXPECT_TRUE(says("what the user gave: no variant")) << lastMessage();
  EXPECT_FALSE(says(fakePath())) << lastMessage();
}

TEST(Artefact, VariantsAreForcedByNameAndRefusedWithTheReason) {
  adze_open_options o = {};
  o.size = sizeof o;
  o.variant = "other";
  adze::Model other = adze::Model::open(fakePath(), &o).or_throw();
  EXPECT_EQ(other.info("variant").or_throw(), "other");
  expectWorks(other, 1);
  o.variant = "nonsense";
  EXPECT_EQ(adze::Model::open(fakePath(), &o).error().code, ADZE_NOT_FOUND);
  EXPECT_TRUE(says("wish+magic, base, other")) << lastMessage();
  o.variant = "wish+magic";
  EXPECT_EQ(adze::Model::open(fakePath(), &o).error().code,
            ADZE_CPU_UNSUPPORTED);
  EXPECT_TRUE(says("feature bits 0x8000000000000000")) << lastMessage();
  setenv("ADZE_ISA", "other", 1);
  EXPECT_EQ(openFake().info("variant").or_throw(), "other");
  setenv("ADZE_ISA", "", 1);
  EXPECT_EQ(openFake().info("variant").or_throw(), "base");
  unsetenv("ADZE_ISA");
}

#if defined(__x86_64__)
TEST(Artefact, SlowVariantsRunOnlyWhereThereIsNoOther) {
  std::stringstream text;
  text << std::ifstream("/proc/cpuinfo").rdbuf();
  bool hasDots = text.str().find(" avx512_bf16") != std::string::npos;
  bool isIntel = text.str().find("GenuineIntel") != std::string::npos;
  if (!hasDots)
    GTEST_SKIP() << "no avx512_bf16";
  Bytes bytes(readFile(fakePath()));
  auto *variants = reinterpret_cast<adze_variant *>(bytes.table(2));
  auto needs = [&](int i, uint64_t bits) {
    variants[i].need[0] = bits;
    variants[i].need[1] = 0;
  };
  TempDir dir;
  auto chosen = [&](const char *file) {
    bytes.rehash();
    adze::Model model =
        adze::Model::open(dir.write(file, bytes.data, bytes.size)).or_throw();
    return std::string(model.info("variant").or_throw());
  };
  needs(0, ADZE_X86_BF16_512);
  needs(1, 0);
  EXPECT_EQ(chosen("one.so"), isIntel ? "base" : "wish+magic");
  for (int i : {1, 2})
    needs(i, ADZE_X86_BF16_512);
  EXPECT_EQ(chosen("all.so"), "wish+magic");
}

TEST(Artefact, NamesTheMissingFeature) {
  Bytes bytes(readFile(fakePath()));
  auto *variants = reinterpret_cast<adze_variant *>(bytes.table(2));
  for (int i = 0; i < 3; ++i) { // AMX and a bit from the future
    variants[i].need[0] = ADZE_X86_AVX2 | 1ull << 40;
    variants[i].need[1] = 0;
  }
  bytes.rehash();
  TempDir dir;
  std::string path = dir.write("n.so", bytes.data, bytes.size);
  EXPECT_EQ(adze::Model::open(path).error().code, ADZE_CPU_UNSUPPORTED);
  EXPECT_TRUE(says("other needs ")) << lastMessage();
}

TEST(Artefact, AmxIsTakenWhereItIsThere) {
  TempDir dir;
  // The first `count` of three variants need AMX.
  auto write = [&](const char *file, int count) {
    Bytes bytes(readFile(fakePath()));
    auto *variants = reinterpret_cast<adze_variant *>(bytes.table(2));
    for (int i = 0; i < count; ++i)
      variants[i].need[0] = ADZE_X86_AMX, variants[i].need[1] = 0;
    bytes.rehash();
    return dir.write(file, bytes.data, bytes.size);
  };
  // Without another variant that runs it is refused, where there is no AMX.
  adze_open_options o = {};
  o.size = sizeof o;
  std::string path = write("all.so", 3);
  const std::string first = "wish+magic";
  bool hasAmx = false;
  if (adze::Result<adze::Model> model = adze::Model::open(path, &o)) {
    hasAmx = true;
    EXPECT_EQ(model->info("variant").or_throw(), first);
  } else {
    EXPECT_EQ(model.error().code, ADZE_CPU_UNSUPPORTED);
    EXPECT_TRUE(says("other needs amx (tile, int8, bf16), which"))
        << lastMessage();
  }
  o.variant = "base";
  if (adze::Result<adze::Model> model = adze::Model::open(path, &o))
    EXPECT_EQ(model->info("variant").or_throw(), "base");
  else
    EXPECT_TRUE(says("base needs amx (tile, int8, bf16), which"))
        << lastMessage();
  // Else the best of the others is taken although AMX is in front of it.
  std::string mixed = write("mixed.so", 1);
  EXPECT_EQ(adze::Model::open(mixed).or_throw().info("variant").or_throw(),
            hasAmx ? first : "base");
}
#endif

TEST(Artefact, EveryKindOfSource) {
  std::vector<uint8_t> file = readFile(fakePath());
  Bytes bytes(file);
  adze_source memory = {};
  memory.size = sizeof memory;
  memory.kind = ADZE_SOURCE_MEMORY;
  memory.memory = bytes.data;
  memory.length = bytes.size;
  adze_model *m;
  ASSERT_EQ(adze_model_open(&memory, nullptr, nullptr, &m), ADZE_OK)
      << lastMessage();
  expectWorks(adze::Model::adopt(m));
  TempDir dir;
  std::vector<uint8_t> shifted(8192);
  shifted.insert(shifted.end(), file.begin(), file.end());
  std::string path = dir.write("shifted", shifted.data(), shifted.size());
  adze_source fd = {};
  fd.size = sizeof fd;
  fd.kind = ADZE_SOURCE_FD;
  fd.fd = open(path.c_str(), O_RDONLY);
  fd.offset = 8192;
  ASSERT_EQ(adze_model_open(&fd, nullptr, nullptr, &m), ADZE_OK)
      << lastMessage();
  expectWorks(adze::Model::adopt(m));
  fd.offset = 5;
  EXPECT_EQ(adze_model_open(&fd, nullptr, nullptr, &m), ADZE_INVALID_ARGUMENT);
  close(fd.fd);
  fd.offset = 0;
  fd.fd = open(fakePath().c_str(), O_RDONLY);
  ASSERT_EQ(adze_model_open(&fd, nullptr, nullptr, &m), ADZE_OK)
      << lastMessage();
  close(fd.fd);
  expectWorks(adze::Model::adopt(m));
}

TEST(Artefact, PathsThatAreNoArtefacts) {
  EXPECT_EQ(adze::Model::open("/nonexistent/a.so").error().code, ADZE_IO_ERROR);
  EXPECT_TRUE(says("/nonexistent/a.so")) << lastMessage();
  EXPECT_EQ(adze::Model::open("/tmp").error().code, ADZE_IO_ERROR);
  EXPECT_TRUE(says("directory")) << lastMessage();
  TempDir dir;
  std::string pipe = dir.path + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(adze::Model::open(pipe).error().code, ADZE_IO_ERROR);
  std::string empty = dir.write("empty", nullptr, 0);
  EXPECT_EQ(adze::Model::open(empty).error().code, ADZE_BAD_ARTEFACT);
  std::string text =
      dir.write("text", reinterpret_cast<const uint8_t *>("hello"), 5);
  EXPECT_EQ(adze::Model::open(text).error().code, ADZE_BAD_ARTEFACT);
  EXPECT_EQ(adze::Model::open("/proc/self/exe").error().code,
            ADZE_BAD_ARTEFACT); // ELF, but no artefact
  adze_open_options o = {};
  o.size = sizeof o;
  uint8_t id[32] = {1, 2, 3};
  o.expected_id = id;
  EXPECT_EQ(adze::Model::open(fakePath(), &o).error().code, ADZE_BAD_ARTEFACT);
  EXPECT_TRUE(says("expected an id")) << lastMessage();
}

TEST(Artefact, AnotherAbiSaysWhichFieldAndWhatToDo) {
  EXPECT_EQ(adze::Model::open(ADZE_FAKE_DIR "/future.adze.so").error().code,
            ADZE_ABI_MISMATCH);
  EXPECT_TRUE(says("abi_major")) << lastMessage();
  EXPECT_TRUE(says("ABI 9.0")) << lastMessage();
  EXPECT_TRUE(says("use a newer runtime")) << lastMessage();
}

TEST(Artefact, AFileReplacedWhileOpenIsTheNewOne) {
  std::vector<uint8_t> file = readFile(fakePath());
  TempDir dir;
  std::string path = dir.write("m.so", file.data(), file.size());
  adze::Model before = adze::Model::open(path).or_throw();
  Bytes changed(file);
  auto *code = reinterpret_cast<adze_entry_code *>(changed.table(8));
  code[3].code = code[6].code; // variant base runs step_other
  changed.rehash();
  dir.write("m.so", changed.data, changed.size);
  adze::Model after = adze::Model::open(path).or_throw();
  expectWorks(before, 0);
  expectWorks(after, 1);
}

TEST(Artefact, EveryTruncationIsRefused) {
  std::vector<uint8_t> file = readFile(fakePath());
  for (size_t size = 0; size < file.size(); ++size) {
    std::vector<uint8_t> part(file.begin(),
                              file.begin() + static_cast<long>(size));
    Bytes bytes(part);
    ASSERT_NE(bytes.check(), ADZE_OK) << size;
  }
}

TEST(Artefact, EveryFlippedByteIsRefused) {
  Bytes bytes(readFile(fakePath()));
  ASSERT_EQ(bytes.check(), ADZE_OK) << lastMessage();
  uint64_t begin = bytes.elf.weights_offset;
  uint64_t end = begin + bytes.elf.weights_size;
  for (size_t i = 0; i < bytes.size; ++i) {
    if (i >= begin && i < end)
      continue; // the weights' own hashes are for adze_model_verify
    bytes.data[i] ^= 0x10;
    ASSERT_NE(bytes.check(), ADZE_OK) << i;
    bytes.data[i] ^= 0x10;
  }
  ASSERT_EQ(bytes.check(), ADZE_OK);
}

// With the hash made right again, the reader stands alone: it must refuse or
// accept without touching anything outside (the sanitizers look on), and what
// it accepts must hold to its accessors.
TEST(Artefact, MutationsWithARightHash) {
  std::vector<uint8_t> file = readFile(fakePath());
  Bytes good(file);
  ASSERT_EQ(good.check(), ADZE_OK);
  uint64_t desc = good.elf.desc_offset, size = good.elf.desc_size;
  std::mt19937 random(7);
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    Bytes bytes(file);
    for (uint32_t k = 0; k <= random() % 3; ++k) {
      uint64_t at = random() % 8 ? desc + random() % size : random() % 64;
      uint32_t word = random() % 4 ? static_cast<uint32_t>(random() % 100)
                                   : static_cast<uint32_t>(random());
      memcpy(bytes.data + at / 4 * 4, &word, 4);
    }
    bytes.rehash();
    if (bytes.check() == ADZE_OK) {
      ++accepted;
      EXPECT_GE(adze_desc_find_entry(&bytes.desc, "nothing"), -1);
      EXPECT_LE(adze_desc_weights_extent(&bytes.desc), bytes.elf.weights_size);
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 5000);
}

static std::string mutated(void (*change)(Bytes &)) {
  Bytes bytes(readFile(fakePath()));
  change(bytes);
  bytes.rehash();
  return bytes.check() == ADZE_OK ? "accepted" : lastMessage();
}
TEST(Artefact, EachCrossReferenceIsChecked) {
  using B = Bytes &;
#define EXPECT_SAYS(change, what)                                              \
  do {                                                                         \
    std::string said = mutated([](B b) { change; });                           \
    EXPECT_NE(said.find(what), std::string::npos) << said;                     \
  } while (0)
  auto unused = [](B) {};
  EXPECT_EQ(mutated(unused), "accepted");
  EXPECT_SAYS(b.table(1)[0] = 0;
              b.table(1)[-8] -= 1, "does not end with a NUL");
  EXPECT_SAYS(((adze_variant *)b.table(2))->name = 1u << 20, "variant 0");
  EXPECT_SAYS(((adze_entry *)b.table(3))->name = 1u << 20, "entry 0");
  EXPECT_SAYS(((adze_entry *)b.table(3))->kind = 2, "kind 2");
  EXPECT_SAYS(((adze_entry *)b.table(3))->n_args = 200, "ARGS has");
  EXPECT_SAYS(((adze_entry *)b.table(3))->args0 = ~0u, "ARGS has");
  EXPECT_SAYS(((adze_entry *)b.table(3))->n_results = 8, "of them results");
  EXPECT_SAYS(((adze_entry *)b.table(3))->n_states = 2, "STATES has");
  EXPECT_SAYS(((adze_entry *)b.table(3))->n_symbols = 9, "SYMBOLS has");
  EXPECT_SAYS(((adze_entry *)b.table(3))[1].name =
                  ((adze_entry *)b.table(3))[0].name,
              "two entries");
  EXPECT_SAYS(((adze_arg *)b.table(4))->dtype = 77, "unknown dtype 77");
  EXPECT_SAYS(((adze_arg *)b.table(4))->space = 1, "memory space 1");
  EXPECT_SAYS(((adze_arg *)b.table(4))->rank = 9, "rank 9");
  EXPECT_SAYS(((adze_arg *)b.table(4))->dims0 = 500, "at dimension 500");
  EXPECT_SAYS(((int64_t *)b.table(5))[0] = -6, "the entry has 5 symbols");
  EXPECT_SAYS(((int64_t *)b.table(5))[0] = INT64_MAX, "dimension 0");
  EXPECT_SAYS(((uint32_t *)b.table(6))[0] = ~0u, "symbol 0");
  EXPECT_SAYS(((adze_state *)b.table(7))->page_bytes = 63, "63 bytes per page");
  EXPECT_SAYS(((adze_state *)b.table(7))->kind = 5, "kind 5");
  EXPECT_SAYS(((adze_entry_code *)b.table(8))->code = 0, "executable");
  EXPECT_SAYS(((adze_entry_code *)b.table(8))->code = INT64_MIN, "executable");
  EXPECT_SAYS(((adze_weight_row *)b.table(9))->bytes = 129, "weight model.a");
  EXPECT_SAYS(((adze_weight_row *)b.table(9))->offset = ~63ull, "model.a");
  EXPECT_SAYS(((adze_weight_row *)b.table(9))->offset = 4, "model.a");
  EXPECT_SAYS(((adze_weight_row *)b.table(9))->source = ~0u, "weight 0");
  EXPECT_SAYS(b.table(11)[0] = '[', "not a JSON object");
  EXPECT_SAYS(b.table(4242)[-12] = 1, "table 4242 must be understood");
  EXPECT_SAYS(uint8_t *t = b.table(4242); t[-16] = 1;
              t[-15] = 0, "there twice");
  EXPECT_SAYS(b.table(4242)[-8] = 200, "has 200 bytes");
  EXPECT_SAYS(b.head()->size = 1 << 20, "there is room for");
  EXPECT_SAYS(b.head()->weights_bytes = 64, "the descriptor says 64");
  EXPECT_SAYS(b.head()->magic[0] = 'B', "magic");
#undef EXPECT_SAYS
}

TEST(Artefact, ALongerRowOfANewerCompilerIsRead) {
  adze_desc desc;
  // Two states of 40 bytes: eight more than this header knows.
  struct {
    adze_model_desc head;
    adze_table strings;
    char text[8];
    adze_table variants;
    adze_variant variant;
    adze_table entries;
    adze_entry entry;
    adze_table code;
    adze_entry_code c;
    adze_table states;
    struct {
      adze_state known;
      uint64_t more;
    } state[2];
  } image = {};
  memcpy(image.head.magic, ADZE_ABI_MAGIC, 8);
  image.head.abi_major = ADZE_ABI_MAJOR;
  image.head.size = sizeof image;
  image.strings = {ADZE_TABLE_STRINGS, 0, 8};
  memcpy(image.text, "a", 2);
  image.variants = {ADZE_TABLE_VARIANTS, 0, sizeof image.variant};
  image.entries = {ADZE_TABLE_ENTRIES, 0, sizeof image.entry};
  image.entry.kind = ADZE_ENTRY_CPU_SPMD;
  image.code = {ADZE_TABLE_CODE, 0, sizeof image.c};
  image.states = {ADZE_TABLE_STATES, 40u << ADZE_TABLE_ROW_SHIFT, 80};
  for (auto &s : image.state)
    s.known = {0, ADZE_STATE_KV_PAGES, ADZE_F32, 1, 1, 1, 64};
  image.state[1].known.page_bytes = 128;
  adze_desc_limits limits = {nullptr, "image"};
  ASSERT_EQ(adze_desc_check(&image.head, &limits, &desc), ADZE_OK)
      << lastMessage();
  EXPECT_EQ(adze_desc_state(&desc, 1)->page_bytes, 128u);
  image.states.flags = 36u << ADZE_TABLE_ROW_SHIFT;
  EXPECT_EQ(adze_desc_check(&image.head, &limits, &desc), ADZE_BAD_ARTEFACT);
}

// The weights are a hole of 2 GiB; everything after them is moved behind it.
TEST(Artefact, TwoGigabytesOpenInTwentyMilliseconds) {
  const uint64_t more = 2ull << 30;
  Bytes bytes(readFile(fakePath()));
  uint64_t old = bytes.head()->weights_bytes;
  uint64_t cut = bytes.elf.weights_offset + old;
  bytes.head()->weights_bytes = old + more;
  TempDir dir;
  std::string path = dir.path + "/large.so";
  Elf64_Ehdr header;
  memcpy(&header, bytes.data, sizeof header);
  auto *sections = reinterpret_cast<Elf64_Shdr *>(bytes.data + header.e_shoff);
  for (int i = 0; i < header.e_shnum; ++i)
    if (sections[i].sh_offset == bytes.elf.weights_offset &&
        sections[i].sh_size == old)
      sections[i].sh_size += more;
    else if (sections[i].sh_offset >= cut)
      sections[i].sh_offset += more;
  header.e_shoff += more;
  memcpy(bytes.data, &header, sizeof header);
  int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  auto put = [&](uint64_t from, uint64_t to, uint64_t count) {
    ASSERT_EQ(pwrite(fd, bytes.data + from, count, static_cast<off_t>(to)),
              static_cast<ssize_t>(count));
  };
  put(0, 0, cut);
  put(cut, cut + more, bytes.size - cut);
  // hash what was written
  adze_bytes map;
  adze_source source = {};
  source.size = sizeof source;
  source.path = path.c_str();
  ASSERT_EQ(adze_bytes_open(&source, "large", &map), ADZE_OK);
  adze_elf elf;
  ASSERT_EQ(adze_elf_read(map.data, map.size, "large", &elf), ADZE_OK)
      << lastMessage();
  uint8_t digest[32];
  adze_artefact_hash(map.data, map.size, &elf, digest);
  adze_bytes_close(&map);
  ASSERT_EQ(pwrite(fd, digest, 32, static_cast<off_t>(elf.desc_offset + 32)),
            32);
  close(fd);
  double best = 1;
  for (int i = 0; i < 3; ++i) {
    auto start = std::chrono::steady_clock::now();
    adze::Model model = adze::Model::open(path).or_throw();
    best = std::min(best, std::chrono::duration<double>(
                              std::chrono::steady_clock::now() - start)
                              .count());
    if (i == 0)
      expectWorks(model);
  }
  printf("2 GiB opened in %.2f ms\n", 1e3 * best);
  EXPECT_LT(best, 0.020);
}

TEST(Artefact, DescribedOnlyLoadsNothing) {
  adze_open_options o = {};
  o.size = sizeof o;
  o.flags = ADZE_OPEN_DESCRIBE;
  adze::Model model = adze::Model::open(fakePath(), &o).or_throw();
  EXPECT_EQ(model.info("architecture").or_throw(), "FakeDecoder");
  EXPECT_FALSE(model.session().ok());
  EXPECT_FALSE(model.info("variant").ok());
  adze_variant_info v = {};
  v.size = sizeof v;
  ASSERT_EQ(adze_model_variant(model.c(), 0, &v), ADZE_OK);
  EXPECT_NE(v.missing[1], 0u);
}
