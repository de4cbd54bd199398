"""A BiLSTM-CRF that finds the names of places, on vectors of a dump and on random ones.

    python samples/examples/tagger.py

Needs torch. Most characters of the names to be found never occur in training: their vectors are all that is known.
"""

import argparse
import re
from pathlib import Path

import torch
from torch import nn

import charvec

PLACES = Path(__file__).resolve().with_name("places.txt")
MODEL = PLACES.parents[1] / "tiny-bert-zh"
TAGS = 3  # 0 outside, 1 first character of a name, 2 a later one


def read(path):
    """Pairs of text and tags, of the part to train on and of the part to test on."""
    parts = []
    for block in re.split("# (?:train|test)\n", Path(path).read_text("utf-8"))[1:]:
        parts.append([])
        for line in block.splitlines():
            tags = []
            for piece in re.split(r"(\[.*?\])", line):
                name = piece.strip("[]")
                tags += [1] + [2] * (len(name) - 1) if piece != name else [0] * len(name)
            parts[-1].append((re.sub(r"[][]", "", line), torch.tensor(tags)))
    return parts


class Tagger(nn.Module):
    """Embedding, one BiLSTM, and a linear-chain CRF (Lafferty, McCallum, Pereira 2001) over its scores."""

    def __init__(self, embedding):
        super().__init__()
        self.embedding = embedding
        self.lstm = nn.LSTM(embedding.embedding_dim, 32, bidirectional=True, batch_first=True)
        self.drop = nn.Dropout(0.3)
        self.score = nn.Linear(64, TAGS)
        self.move = nn.Parameter(torch.zeros(TAGS, TAGS))  # score of tag j after tag i

    def forward(self, ids):
        """Scores of each tag of each character: [texts, length, tags]."""
        return self.score(self.drop(self.lstm(self.drop(self.embedding(ids)))[0]))

    def loss(self, ids, tags, real):
        """Mean negative log-likelihood of the tags; ``real`` is false where texts are padded."""
        scores = self(ids)
        total, right = scores[:, 0], scores.gather(2, tags[..., None])[..., 0]
        right[:, 1:] += self.move[tags[:, :-1], tags[:, 1:]]
        for step in range(1, ids.shape[1]):
            longer = torch.logsumexp(total[:, :, None] + self.move, 1) + scores[:, step]
            total = torch.where(real[:, step, None], longer, total)
        return (torch.logsumexp(total, 1) - (right * real).sum(1)).mean()

    @torch.no_grad()
    def decode(self, ids):
        """The best tags of one text (Viterbi)."""
        (best, *rest), back = self(ids[None])[0], []
        for row in rest:
            value, where = (best[:, None] + self.move).max(0)
            best, back = value + row, [*back, where]
        path = [int(best.argmax())]
        for where in reversed(back):
            path.append(int(where[path[-1]]))
        return path[::-1]


def spans(tags):
    """Start and end of every name."""
    return {match.span() for match in re.finditer("12*", "".join(map(str, tags)))}


def run(embedding, vocab, train, test, epochs):
    """F1 of the names found in the test sentences, after training."""
    ids = {text: torch.tensor([vocab.get(char, vocab["<UNK>"]) for char in text]) for text, _ in train + test}
    batch = nn.utils.rnn.pad_sequence([ids[text] for text, _ in train], batch_first=True)
    tags = nn.utils.rnn.pad_sequence([tags for _, tags in train], batch_first=True)
    tagger = Tagger(embedding)
    optimizer = torch.optim.Adam([each for each in tagger.parameters() if each.requires_grad], lr=1e-2)
    for _ in range(epochs):
        optimizer.zero_grad()
        tagger.loss(batch, tags, batch != vocab["<PAD>"]).backward()
        optimizer.step()
    tagger.eval()
    pairs = [(spans(tagger.decode(ids[text])), spans(tags.tolist())) for text, tags in test]
    return sum(2 * len(mine & gold) for mine, gold in pairs) / max(1, sum(len(a) + len(b) for a, b in pairs))


def main():
    """Train both ways with several seeds, print the scores."""
    parser = argparse.ArgumentParser(description="a BiLSTM-CRF on character vectors and on random ones")
    parser.add_argument("--vectors", help="vector file (default: made now from the bundled model)")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)  # threads cost more than they bring with matrices so small
    train, test = read(PLACES)
    try:
        vectors = charvec.load(args.vectors) if args.vectors else charvec.dump(PLACES, model=MODEL)
    except charvec.CharvecError as error:
        parser.exit(error.exit_code, f"{error}\nhelp: {error.help}\n")
    vocab = vectors.vocabulary()  # <PAD> 0, <UNK> 1, then the characters
    for name in ("charvec", "random"):
        scores = []
        for seed in range(args.seeds):
            torch.manual_seed(seed)
            embedding = nn.Embedding(len(vocab), vectors.dim) if name == "random" else charvec.torch.embedding(vectors)
            scores.append(run(embedding, vocab, train, test, args.epochs))
        print(f"{name:8} F1 {sum(scores) / len(scores):.3f}  ({', '.join(f'{score:.3f}' for score in scores)})")


if __name__ == "__main__":
    main()
