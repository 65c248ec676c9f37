# Writes agreement.tsv: 1200 noun phrases, each labelled with the number of its first noun.
#
#     awk -f docs/tutorial/agreement.awk > docs/tutorial/agreement.tsv

# Returns a number from 0 to n - 1, by the generator of Park and Miller (1988).
function draw(n) {
    seed = seed * 16807 % 2147483647
    return int(seed / 2147483647 * n)
}

# Returns "the", sometimes an adjective, and a noun that is singular (0) or plural (1).
function phrase(number,    adjective, noun) {
    adjective = draw(5) < 2 ? adjectives[draw(5) + 1] " " : ""
    noun = draw(10) + 1
    return "the " adjective (number ? plurals[noun] : singulars[noun])
}

BEGIN {
    seed = 1
    split("bird cat child dog friend house river road song wheel", singulars, " ")
    split("birds cats children dogs friends houses rivers roads songs wheels", plurals, " ")
    split("old small red quiet tall", adjectives, " ")
    split("in near behind with above", prepositions, " ")
    while (written < 1200) {
        number = draw(2)
        text = phrase(number)
        for (more = draw(6); more > 0; more--)
            text = text " " prepositions[draw(5) + 1] " " phrase(draw(2))
        if (text in seen)
            continue
        seen[text] = 1
        print (number ? "plural" : "singular") "\t" text
        written++
    }
}
