"""Works that a methods paragraph may cite, numbered in the order in which it does, as text and as BibTeX."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Work:
    """One entry of a bibliography.

    Attributes:
        kind: of the BibTeX entry.
        authors: with "and" between them, family name first.
        title, year, where: the last with volume and pages.
        identifier: a DOI or an arXiv number, without the address of a resolver.
        fields: of the BibTeX entry beside author, title and year.
    """

    kind: str
    authors: str
    title: str
    year: int
    where: str
    identifier: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """As in a list of references."""
        names = self.authors.split(" and ")
        shown = ", ".join(names if len(names) < 7 else [names[0], "et al."])
        return f"{shown} ({self.year}). {self.title}. {self.where}.{f' {self.identifier}' if self.identifier else ''}"

    def bibtex(self, key: str) -> str:
        """As an entry of a .bib file."""
        entries = {"author": self.authors, "title": f"{{{self.title}}}", "year": str(self.year)} | self.fields
        lines = [f"  {name} = {{{value}}}," for name, value in entries.items()]
        return "\n".join([f"@{self.kind}{{{key},", *lines, "}"])


def _article(
    authors: str, title: str, year: int, journal: str, volume: str, pages: str, doi: str, number: str = ""
) -> Work:
    issue = f"({number})" if number else ""
    given = {
        "journal": journal,
        "volume": volume,
        "number": number,
        "pages": pages.replace("–", "--"),
        "doi": doi,
    }
    fields = {name: value for name, value in given.items() if value}
    return Work("article", authors, title, year, f"{journal} {volume}{issue}, {pages}", f"doi:{doi}", fields)


WORKS = {
    "kabus2026": Work(
        "misc",
        "Kabus, Fabian and Hackenberg, Maren and Hindel, Julia and Cholvin, Thibault and Kilias, Antje and Brox, "
        "Thomas and Valada, Abhinav and Bartos, Marlene and Binder, Harald",
        "Embedding interpretable l1-regression into neural networks for uncovering temporal structure in cell imaging",
        2026,
        "Preprint",
        "arXiv:2603.02899",
        {"eprint": "2603.02899", "archivePrefix": "arXiv"},
    ),
    "jax2018": Work(
        "misc",
        "Bradbury, James and Frostig, Roy and Hawkins, Peter and Johnson, Matthew James and Leary, Chris and "
        "Maclaurin, Dougal and Necula, George and Paszke, Adam and VanderPlas, Jake and Wanderman-Milne, Skye "
        "and Zhang, Qiao",
        "JAX: composable transformations of Python+NumPy programs",
        2018,
        "Software, github.com/jax-ml/jax",
        "",
        {"howpublished": "github.com/jax-ml/jax"},
    ),
    "tibshirani1996": _article(
        "Tibshirani, Robert",
        "Regression shrinkage and selection via the lasso",
        1996,
        "Journal of the Royal Statistical Society: Series B",
        "58",
        "267–288",
        "10.1111/j.2517-6161.1996.tb02080.x",
        "1",
    ),
    "efron2004": _article(
        "Efron, Bradley and Hastie, Trevor and Johnstone, Iain and Tibshirani, Robert",
        "Least angle regression",
        2004,
        "The Annals of Statistics",
        "32",
        "407–499",
        "10.1214/009053604000000067",
        "2",
    ),
    "kingma2015": Work(
        "inproceedings",
        "Kingma, Diederik P. and Ba, Jimmy",
        "Adam: a method for stochastic optimization",
        2015,
        "International Conference on Learning Representations",
        "arXiv:1412.6980",
        {"booktitle": "International Conference on Learning Representations", "eprint": "1412.6980"},
    ),
    "guizar2008": _article(
        "Guizar-Sicairos, Manuel and Thurman, Samuel T. and Fienup, James R.",
        "Efficient subpixel image registration algorithms",
        2008,
        "Optics Letters",
        "33",
        "156–158",
        "10.1364/OL.33.000156",
        "2",
    ),
    "bickel2009": _article(
        "Bickel, Peter J. and Ritov, Ya'acov and Tsybakov, Alexandre B.",
        "Simultaneous analysis of Lasso and Dantzig selector",
        2009,
        "The Annals of Statistics",
        "37",
        "1705–1732",
        "10.1214/08-AOS620",
        "4",
    ),
    "anderson2017": _article(
        "Anderson, Marti J. and Walsh, Daniel C. I. and Clarke, K. Robert and Gorley, Ray N. and Guerra-Castro, Edlin",
        "Some solutions to the multivariate Behrens–Fisher problem for dissimilarity-based analyses",
        2017,
        "Australian & New Zealand Journal of Statistics",
        "59",
        "57–79",
        "10.1111/anzs.12176",
        "1",
    ),
    "clarke1993": _article(
        "Clarke, K. R.",
        "Non-parametric multivariate analyses of changes in community structure",
        1993,
        "Australian Journal of Ecology",
        "18",
        "117–143",
        "10.1111/j.1442-9993.1993.tb00438.x",
        "1",
    ),
    "anderson2006": _article(
        "Anderson, Marti J.",
        "Distance-based tests for homogeneity of multivariate dispersions",
        2006,
        "Biometrics",
        "62",
        "245–253",
        "10.1111/j.1541-0420.2005.00440.x",
        "1",
    ),
    "phipson2010": _article(
        "Phipson, Belinda and Smyth, Gordon K.",
        "Permutation P-values should never be zero: calculating exact P-values when permutations are randomly drawn",
        2010,
        "Statistical Applications in Genetics and Molecular Biology",
        "9",
        "Article 39",
        "10.2202/1544-6115.1585",
        "1",
    ),
    "smyth2004": _article(
        "Smyth, Gordon K.",
        "Linear models and empirical Bayes methods for assessing differential expression in microarray experiments",
        2004,
        "Statistical Applications in Genetics and Molecular Biology",
        "3",
        "Article 3",
        "10.2202/1544-6115.1027",
        "1",
    ),
    "benjamini1995": _article(
        "Benjamini, Yoav and Hochberg, Yosef",
        "Controlling the false discovery rate: a practical and powerful approach to multiple testing",
        1995,
        "Journal of the Royal Statistical Society: Series B",
        "57",
        "289–300",
        "10.1111/j.2517-6161.1995.tb02031.x",
        "1",
    ),
    "meinshausen2010": _article(
        "Meinshausen, Nicolai and Bühlmann, Peter",
        "Stability selection",
        2010,
        "Journal of the Royal Statistical Society: Series B",
        "72",
        "417–473",
        "10.1111/j.1467-9868.2010.00740.x",
        "4",
    ),
    "efron1993": Work(
        "book",
        "Efron, Bradley and Tibshirani, Robert J.",
        "An Introduction to the Bootstrap",
        1993,
        "Chapman & Hall",
        "",
        {"publisher": "Chapman and Hall"},
    ),
}


class Bibliography:
    """Numbers works in the order in which they are cited."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def cite(self, *keys: str) -> str:
        """The numbers of these works in square brackets, such as "[3, 4]"."""
        self.keys += [key for key in dict.fromkeys(keys) if key not in self.keys]
        return f"[{', '.join(str(number) for number in sorted(self.keys.index(key) + 1 for key in keys))}]"

    def references(self) -> list[str]:
        """The list of references, in order, without the numbers."""
        return [WORKS[key].text() for key in self.keys]

    def bibtex(self) -> str:
        """All of them as the content of a .bib file."""
        return "\n\n".join(WORKS[key].bibtex(key) for key in self.keys) + "\n"
